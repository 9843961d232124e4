/** What an audit found, from the outcome down to the single components. An older result stays, dimmed, until the new
 *  one is there. */

import { useStore } from "../data/store";
import { Waiting } from "../ui/Await";
import { Chart } from "./Chart";
import { ConceptTable } from "./ConceptTable";
import { Export } from "./Export";
import { Findings } from "./Findings";
import { Masses } from "./Masses";
import { Drivers } from "./Drivers";
import { Doubts, Outcome } from "./Outcome";
import { firstUnread } from "./RequirementField";
import { missing } from "./spec";
import type { AuditState } from "./state";
import { Verdicts } from "./Verdicts";
import { Verify } from "./Verify";
import { count } from "./words";

export function Result({ state }: { state: AuditState }) {
  const answer = state.answer.value;
  const stale = state.stale.value;
  return (
    <div class="result">
      {answer && (
        <div class={`found ${stale ? "stale" : ""}`} aria-busy={stale}>
          <Head state={state} />
          <Outcome audit={answer.audit} />
          <Doubts audit={answer.audit} />
          <Drivers audit={answer.audit} />
          <Verdicts state={state} />
          <Verify state={state} />
          <Masses state={state} />
          <Chart state={state} />
          <ConceptTable state={state} />
          <Findings state={state} />
        </div>
      )}
      <Standing state={state} />
    </div>
  );
}

function Head({ state }: { state: AuditState }) {
  const { place } = useStore();
  const { audit, draft } = state.answer.value!;
  const number = state.index.info.classes.find((one) => one.name === audit.output)?.number;
  return (
    <div class="result-head">
      <div>
        <h2>
          <bdi>{(state.draft.value ?? draft).title || `Audit of “${audit.output}”`}</bdi>
        </h2>
        <p class="hint">
          Output “<bdi>{audit.output}</bdi>”, {count(audit.rows.length, "component")} in <bdi>{audit.layers.join(", ")}</bdi>, relevance on{" "}
          {count(audit.images, "image")}, by {audit.by}
          {number !== undefined && (
            <>
              {" · "}
              <a href={place.href(["graph"], { class: number })}>how this class comes about</a>
            </>
          )}
        </p>
      </div>
      <Export state={state} />
    </div>
  );
}

/** How the spec in the form stands with the server: asked, refused, or not yet a question. It lies over the foot of the
 *  window, so that nothing moves. */
function Standing({ state }: { state: AuditState }) {
  const draft = state.draft.value;
  const lacks = draft ? missing(draft) : "";
  const fault = state.fault.value;
  const busy = state.busy.value;
  const elsewhere = draft !== null && firstUnread(draft.requirements) >= 0; // the line itself says what is wrong
  return (
    <div class="standing" aria-live="polite">
      {lacks ? (
        <p class="lacks">{lacks}</p>
      ) : fault ? (
        <p class="fault">
          {elsewhere ? "A requirement is not understood: see the spec." : fault} {state.answer.value && "Below is the result before that."}
        </p>
      ) : (
        busy && <Waiting what="Audit" job={busy.job} />
      )}
    </div>
  );
}
