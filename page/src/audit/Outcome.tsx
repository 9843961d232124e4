/** The outcome in a sentence or three, and what to doubt. */

import type { Audit, ConceptMass } from "../data/types";
import { Sign } from "./Marks";
import { between, count, percent } from "./words";

const NOTED = 3; // concepts named
const LEAST = 0.05; // of relevance, for a concept to be named

export function Outcome({ audit }: { audit: Audit }) {
  const sign = ({ passed: "good", failed: "bad", "cannot tell": "untold" } as const)[audit.verdict];
  const kind = audit.verdicts.length ? sign : "open";
  return (
    <div class={`outcome ${kind}`}>
      {audit.verdicts.length > 0 && <Sign kind={sign} />}
      <p>
        <strong>{counted(audit)}</strong> <Main audit={audit} />
      </p>
    </div>
  );
}

function counted({ verdicts }: Audit): string {
  const unmet = verdicts.filter((one) => one.verdict === "not met").length;
  const untold = verdicts.filter((one) => one.verdict === "cannot tell").length;
  const unsure = verdicts.filter((one) => !one.sure).length - untold;
  if (!verdicts.length) return "The spec states no requirement, so nothing was passed or failed.";
  const all = count(verdicts.length, "requirement");
  const parts = unmet ? [`${unmet} of ${all} ${unmet === 1 ? "is" : "are"} not met`] : [];
  if (untold) parts.push(unmet ? `of ${untold} it cannot be told` : `Of ${untold} of ${all} it cannot be told`);
  let said = `${parts.join("; ")}.`;
  if (!parts.length) said = verdicts.length === 1 ? "The one requirement is met." : `All ${verdicts.length} requirements are met.`;
  if (!unsure) return said;
  const doubt = verdicts.length > 1 ? `${unsure} of these verdicts ${unsure === 1 ? "is" : "are"}` : "This verdict is";
  return `${said} ${doubt} not sure.`;
}

/** Where most goes wrong: the layer with the largest spurious share, and which concepts that is. */
function Main({ audit }: { audit: Audit }) {
  const spurious = audit.masses.filter((one) => one.quadrant === "spurious");
  const worst = spurious.reduce((most, one) => (one.relevance > most.relevance ? one : most), spurious[0]!);
  if (!worst) return null;
  const large = audit.concepts.filter((one) => one.layer === worst.layer && one.side === "spurious" && one.relevance >= LEAST).slice(0, NOTED);
  return (
    <>
      {percent(worst.relevance, 0)} ({between(worst.low, worst.high, 0)}) of what speaks for “<bdi>{audit.output}</bdi>” in {worst.layer} goes through
      components that fit only spurious concepts, which must not matter
      {large.map((one: ConceptMass, at) => (
        <span key={one.concept}>
          {at === 0 ? "; the largest: " : ", "}
          <bdi>{one.concept}</bdi> ({percent(one.relevance, 0)})
        </span>
      ))}
      .
    </>
  );
}

export function Doubts({ audit }: { audit: Audit }) {
  if (!audit.doubts.length) return null;
  return (
    <section class="doubts" aria-label="Doubts">
      <h3>Doubts: what the foundation model does not know, see or tell apart</h3>
      <p>Figures that rest on these phrases are not reliable. Other phrases, or images that are marked as showing a concept, may do better.</p>
      <ul>
        {audit.doubts.map((doubt) => (
          <li key={doubt}>
            <bdi>{doubt}</bdi>
          </li>
        ))}
      </ul>
    </section>
  );
}
