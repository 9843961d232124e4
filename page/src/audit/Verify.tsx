/** The finding put to the test: the components that fit a spurious concept are set to their mean, and what the output
 *  loses on images with the concept is held beside what it loses on images without. */

import { useSignal } from "@preact/signals";
import { type Loaded, settle } from "../data/load";
import { useStore } from "../data/store";
import { jsonOf } from "../data/transport";
import type { Verified } from "../data/types";
import { Await } from "../ui/Await";
import { rounded } from "../ui/words";
import { Effect } from "./Marks";
import { specOf } from "./spec";
import type { AuditState } from "./state";
import { percent } from "./words";

export function Verify({ state }: { state: AuditState }) {
  const store = useStore();
  const { index } = state;
  const answer = state.answer.value!;
  const made = useSignal<{ key: string; found: Loaded<Verified[]> } | null>(null);
  const flagged = answer.audit.concepts.some((one) => one.side === "spurious" && one.components > 0);
  if (!store.session.can.audit || !flagged) return null;
  if (!index.info.heat) return <p class="hint">What the output loses without the components that fit a spurious concept can be measured where the model and the images are at hand: start with --model MODEL --images FOLDER.</p>;
  const begin = () => {
    const body = JSON.stringify({ spec: specOf(answer.draft) });
    const found = {
      set value(value: Loaded<Verified[]>) {
        made.value = { key: answer.key, found: value };
      },
    };
    made.value = { key: answer.key, found: { state: "loading", job: null } };
    void settle(async () => jsonOf<Verified[]>(await store.transport.post(index.at("verify"), body)), found as Parameters<typeof settle<Verified[]>>[1]);
  };
  const now = made.value?.key === answer.key ? made.value.found : null;
  return (
    <section class="masses drivers verify" aria-label="Put to the test">
      <h3>Put to the test</h3>
      <p class="hint">
        Relevance says what goes through components; this says what goes without them. Those that fit a spurious concept are set to their mean activation, and the output is compared on images that show the concept and on images that do not. A shortcut makes it fall on the former.
      </p>
      {now ? (
        <Await of={now} what="Test">
          {(rows) => <Rows rows={rows} />}
        </Await>
      ) : (
        <button type="button" class="button" onClick={begin}>
          Switch them off and measure
        </button>
      )}
    </section>
  );
}

function Rows({ rows }: { rows: Verified[] }) {
  const top = rows.reduce((most, one) => Math.max(most, Math.abs(one.low), Math.abs(one.high)), 1e-9);
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Table of what the output loses">
      <table>
        <thead>
          <tr>
            <th scope="col">without</th>
            <th scope="col" class="n">
              relevance
            </th>
            <th scope="col" class="n">
              falls by
            </th>
            <th scope="col" class="n">
              95 % interval
            </th>
            <td />
            <th scope="col">images</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={`${one.layer} ${one.concept}`}>
              <th scope="row" title={one.layer}>
                <bdi>{one.concept}</bdi>
              </th>
              <td class="n">{percent(one.relevance)}</td>
              <td class="n" title={`${rounded(one.fall_with)} on images that show it, ${rounded(one.fall_without)} on images that do not`}>
                {rounded(one.fall)}
              </td>
              <td class="n">
                {rounded(one.low)} to {rounded(one.high)}
              </td>
              <td class="drawn-in">
                <Effect value={one.fall} low={one.low} high={one.high} top={top} />
              </td>
              <td>
                {one.images_with} with, {one.images_without} without, by {one.chosen_by}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">In logits, of two classes their difference; to the right: the output falls more where the concept is. To take such a concept out of the model and see accuracy before and after: <code>semlens correct</code> (tags that you set here: <code>--what tags:INDEX</code>).</p>
    </div>
  );
}
