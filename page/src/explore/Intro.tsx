/** What this is, in a few lines, and what can be asked of it: before anything is searched or filtered. */

import { specsOf } from "../audit/files";
import { valueOf } from "../data/load";
import { useStore } from "../data/store";
import type { IndexInfo } from "../data/types";
import { counted, grouped, percent } from "../ui/words";

export function Intro() {
  const store = useStore();
  const { place } = store;
  const index = store.index.value;
  const { info } = index;
  const labels = valueOf(index.labels.value);
  const labelled = labels && labels.label.reduce((count, one) => count + (one >= 0 ? 1 : 0), 0);
  const named = info.classes.find((one) => one.number === store.of.value);
  return (
    <section class="intro" aria-label="What this is">
      <p>
        <strong>
          <bdi>{info.model}</bdi>
        </strong>
        {task(info)}, seen through {counted(info.images.count, "image")}. <bdi>{info.foundation.name}</bdi> relates its {counted(info.components, "component")} to words
        {info.explained !== null && ` and explains ${percent(info.explained)} of the activation of the one in the middle`}
        {labelled !== undefined && `; ${grouped(labelled)} ${labelled === 1 ? "has" : "have"} a label`}.
      </p>
      <ul role="list">
        <li>
          <a href={place.href(["table"])}>What has it learned?</a>
        </li>
        {named && (
          <>
            <li>
              <a href={place.href(["graph"], { class: named.number })}>
                What drives “<bdi>{named.name}</bdi>”?
              </a>
            </li>
            <li>
              <a href={place.href(["audit"], { class: named.number })}>Does it rely on what it should?</a>
              {store.session.can.audit && <LastAudit />}
            </li>
          </>
        )}
        {info.own && (
          <li>
            <a href={place.href(["picture"])}>What does it make of your picture?</a>
          </li>
        )}
      </ul>
    </section>
  );
}

function LastAudit() {
  const store = useStore();
  const specs = specsOf(store.transport, store.index.value);
  const last = valueOf(specs.value)?.last;
  if (!last) return null;
  return (
    <span class={`last-audit ${last.verdict === "cannot tell" ? "untold" : last.verdict}`}>
      {" "}
      last audit, of “<bdi>{last.output}</bdi>”: {last.verdict}
    </span>
  );
}

/** What the model does, as far as it is known. */
function task({ outputs }: IndexInfo): string {
  const { count, first } = outputs;
  if (!count) return "";
  const names = first.join(", ");
  return count > first.length ? `, with ${grouped(count)} outputs (${names} …)` : `, with the ${count === 1 ? "output" : "outputs"} ${names}`;
}
