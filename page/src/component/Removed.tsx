/** What the outputs lose without the component: measured by the model, when it is asked for. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { type Loaded, settle } from "../data/load";
import { useStore } from "../data/store";
import { jsonOf } from "../data/transport";
import type { Removed } from "../data/types";
import { Await } from "../ui/Await";
import { counted, rounded } from "../ui/words";

const SHOWN = 6;

export function RemovedPart({ index, row }: { index: Indexed; row: number }) {
  const { transport, session } = useStore();
  const wanted = useSignal(false);
  const found: Signal<Loaded<Removed[]>> = useSignal<Loaded<Removed[]>>({ state: "loading", job: null });
  useEffect(() => {
    if (!wanted.value) return;
    const stop = new AbortController();
    void settle(async () => jsonOf<Removed[]>(await transport.get(index.at(`removed/${row}`), stop.signal)), found, stop.signal);
    return () => stop.abort();
  }, [index, row, wanted.value]);
  if (!index.info.heat || !session.can.search) return null;
  return (
    <section class="panel" aria-label="Without it">
      <h2>Without it</h2>
      {wanted.value ? (
        <Await of={found.value} what="Without it">
          {(rows) => <Rows rows={rows} />}
        </Await>
      ) : (
        <>
          <p class="soft">What the outputs lose when it is set to its mean activation: where it fires most, and on other images.</p>
          <button type="button" class="button" onClick={() => (wanted.value = true)}>
            Measure
          </button>
        </>
      )}
    </section>
  );
}

function Rows({ rows }: { rows: Removed[] }) {
  const [first] = rows;
  if (!first) return <p class="none">The model has no outputs.</p>;
  return (
    <>
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">Output</th>
            <td class="value">falls by</td>
            <td class="value">elsewhere</td>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, SHOWN).map((one) => (
            <tr key={one.output}>
              <th scope="row">
                <bdi>{one.name}</bdi>
              </th>
              <td class="value" title={`95 % interval ${rounded(one.low)} to ${rounded(one.high)}`}>
                {rounded(one.fall)} ({rounded(one.low)} to {rounded(one.high)})
              </td>
              <td class="value">{rounded(one.elsewhere)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="soft">
        In logits{rows.length === 2 && ", of two classes their difference"}, with the 95 % interval, on {counted(first.images, "image")} that {first.images === 1 ? "excites" : "excite"} it most and on {counted(first.others, "other")} drawn at random. Less than 0: the output rises without it.
      </p>
    </>
  );
}
