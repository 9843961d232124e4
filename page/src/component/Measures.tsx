/** How clear, mixed and repeated the component is, each beside what random components of its layer reach. */

import type { Indexed } from "../data/indexed";
import type { LayerSummary, Measure } from "../data/types";
import { Await } from "../ui/Await";
import { rounded } from "../ui/words";

const SAYS: Record<Measure, { says: string; above: string; below: string }> = {
  clarity: { says: "how alike its examples are", above: "clearer than chance", below: "less clear than chance" },
  polysemanticity: { says: "how far apart two groups of its examples are", above: "more mixed than chance", below: "less mixed than chance" },
  redundancy: { says: "how like it the nearest component of its layer is", above: "more repeated than chance", below: "less repeated than chance" },
};

export function Measures({ index, row }: { index: Indexed; row: number }) {
  const layer = index.info.layers[index.base.layer[row]!]!.layer;
  return (
    <section class="panel measures" aria-label="Measures">
      <h2>Measures</h2>
      <Await of={index.scores.value} what="Measures">
        {(scores) => (
          <>
            <p class="soft">The dot is this component, the band where 95 % of random components lie, the line the mean of its layer.</p>
            <dl class="measure-list">
              {(Object.keys(SAYS) as Measure[]).map((measure) => (
                <One key={measure} measure={measure} value={scores[measure][row]!} of={scores.summary.find((one) => one.layer === layer && one.measure === measure)} />
              ))}
            </dl>
          </>
        )}
      </Await>
    </section>
  );
}

function One({ measure, value, of }: { measure: Measure; value: number; of: LayerSummary | undefined }) {
  const says = SAYS[measure];
  const low = of?.baseline_low ?? null;
  const high = of?.baseline_high ?? null;
  const defined = Number.isFinite(value);
  const word = !defined ? "not defined" : low === null || high === null ? "" : value > high ? says.above : value < low ? says.below : "as by chance";
  return (
    <>
      <dt title={says.says}>
        <span class="measure-name">{measure}</span> <span class="value">{rounded(value)}</span>
      </dt>
      <dd>
        <Track value={defined ? value : null} low={low} high={high} mean={of?.mean ?? null} />
        <span class="soft">
          {word}
          {low !== null && high !== null && ` (${rounded(low)} to ${rounded(high)})`}
        </span>
      </dd>
    </>
  );
}

/** From 0 to 1, or as far as the values reach. */
function Track({ value, low, high, mean }: { value: number | null; low: number | null; high: number | null; mean: number | null }) {
  const values = [value, low, high, mean].filter((one): one is number => one !== null);
  const start = Math.min(0, ...values);
  const end = Math.max(1, ...values);
  const at = (one: number) => `${(100 * (one - start)) / (end - start)}%`;
  return (
    <span class="track" aria-hidden="true">
      {low !== null && high !== null && <span class="band" style={{ left: at(low), width: `calc(${at(high)} - ${at(low)})` }} />}
      {mean !== null && <span class="mean" style={{ left: at(mean) }} />}
      {value !== null && <span class="dot" style={{ left: at(value) }} />}
    </span>
  );
}
