/** The result as files: the report for whoever signs off, the spec, all components. */

import { useState } from "preact/hooks";
import { useStore } from "../data/store";
import { Menu } from "../ui/Menu";
import { download, saveTable } from "../ui/save";
import { remarks, tableOf, writeReport, writeSpec } from "./files";
import { fileName, specOf } from "./spec";
import type { AuditState } from "./state";

export function Export({ state }: { state: AuditState }) {
  const store = useStore();
  const [busy, setBusy] = useState("");
  const { index } = state;
  const answer = state.answer.value!;
  const name = fileName(answer.draft.title || answer.audit.output);
  const run = async (what: string, make: () => Promise<void>) => {
    setBusy(what);
    try {
      await make();
      store.told.value = `Saved: ${what}`;
    } catch (fault) {
      store.told.value = fault instanceof Error ? fault.message : String(fault);
    }
    setBusy("");
  };
  const { transport } = store;
  const spec = specOf(answer.draft);
  const table = (kind: "csv" | "json" | "parquet") => saveTable(`${name}-components`, tableOf(index, state.counted.peek()!, [...answer.audit.rows.keys()]), kind, store);
  const files: { name: string; says: string; live: boolean; make: () => Promise<void> }[] = [
    { name: "Report", says: "one HTML page with pictures, for whoever signs off", live: true, make: async () => download(`${name}.html`, await writeReport(transport, index, spec)) },
    { name: "Spec", says: "YAML, to run again", live: true, make: async () => download(`${name}.yaml`, await writeSpec(transport, spec)) },
    { name: "Spec with verdicts and tags", says: "YAML; verdicts and judgements as remarks", live: true, make: async () => download(`${name}-judged.yaml`, await writeSpec(transport, spec, remarks(index, answer.audit))) },
    { name: "All components, CSV", says: "with your thresholds and tags", live: false, make: () => table("csv") },
    { name: "All components, JSON", says: "the same", live: false, make: () => table("json") },
    ...(store.session.can.parquet ? [{ name: "All components, Parquet", says: "the same", live: true, make: () => table("parquet") }] : []),
  ];
  return (
    <Menu name="Save" value={busy ? `${busy}…` : "the result"}>
      <ul class="exports">
        {files
          .filter((one) => store.session.can.audit || !one.live)
          .map((one) => (
            <li key={one.name}>
              <button type="button" aria-disabled={busy !== ""} onClick={() => busy || void run(one.name, one.make)}>
                <strong>{one.name}</strong>
                <span class="hint">{one.says}</span>
              </button>
            </li>
          ))}
      </ul>
    </Menu>
  );
}
