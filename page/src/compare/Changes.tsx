/** What changed from one side to the other in words: labels that are gone, new, or on fewer or more components. */

import { useState } from "preact/hooks";
import { useStore } from "../data/store";
import type { Comparison, LabelChange } from "../data/types";
import { Crops } from "../ui/Crops";
import { componentHref } from "../ui/links";
import { counted, grouped } from "../ui/words";

const SHOWN = 12;
const SAYS: Record<LabelChange["change"], string> = { gone: "gone", new: "new", fewer: "fewer", more: "more", same: "as many" };

export function Changes({ comparison }: { comparison: Comparison }) {
  const [all, setAll] = useState(false);
  const { changes, no_changes } = comparison;
  if (!changes.length) return no_changes ? <p class="hint">What changed label by label is not told: {no_changes}.</p> : null;
  const twin = changes.some((one) => one.untrained !== null);
  const told = (["gone", "new"] as const).map((kind) => counted(changes.filter((one) => one.change === kind).length, "label") + ` ${kind}`);
  return (
    <section aria-label="What changed">
      <h2>What changed, label by label</h2>
      <p class="hint">
        From A to B: {told.join(", ")} of {grouped(changes.length)} that either has. A label is counted where it fits better than chance; what most of its components’ best matches on the other side are called stands last.
      </p>
      <div class="changes" tabIndex={0} role="region" aria-label="Labels; scrolls">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Label</th>
              <th scope="col">from A to B</th>
              <th scope="col" class="number">
                A
              </th>
              <th scope="col" class="number">
                B
              </th>
              {twin && (
                <th scope="col" class="number" title="components of the untrained network that have it">
                  untrained
                </th>
              )}
              <th scope="col">most became</th>
              <th scope="col">some of them</th>
            </tr>
          </thead>
          <tbody>
            {(all ? changes : changes.slice(0, SHOWN)).map((one) => (
              <Line key={one.label} change={one} comparison={comparison} twin={twin} />
            ))}
          </tbody>
        </table>
      </div>
      {changes.length > SHOWN && (
        <button type="button" class="link" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show all ${counted(changes.length, "label")}`}
        </button>
      )}
    </section>
  );
}

function Line({ change, comparison, twin }: { change: LabelChange; comparison: Comparison; twin: boolean }) {
  const store = useStore();
  const index = store.indexes[comparison.sides[change.side]!.index]!;
  const [first] = change.rows;
  return (
    <tr class={change.change}>
      <th scope="row">
        <bdi>{change.label}</bdi>
      </th>
      <td class="change">{SAYS[change.change]}</td>
      <td class="number">{grouped(change.before)}</td>
      <td class="number">{grouped(change.after)}</td>
      {twin && <td class="number">{change.untrained === null ? "" : grouped(change.untrained)}</td>}
      <td>{change.before === 0 ? "" : change.became ? <bdi>{change.became}</bdi> : <i>no label</i>}</td>
      <td>
        {first !== undefined && (
          <a href={componentHref(store, index, first)} aria-label={`${change.label}: ${index.id(first)}`}>
            <Crops index={index} row={first} count={3} />
          </a>
        )}
      </td>
    </tr>
  );
}
