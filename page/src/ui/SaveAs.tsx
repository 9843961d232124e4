/** "Save as" with a button for each kind of file. */

import { useState } from "preact/hooks";
import { useStore } from "../data/store";

export interface SaveAsProps<Kind extends string> {
  what: string; // "the table": for those who hear the buttons
  kinds: readonly Kind[];
  save(kind: Kind): Promise<void>;
}

export function SaveAs<Kind extends string>({ what, kinds, save }: SaveAsProps<Kind>) {
  const store = useStore();
  const [busy, setBusy] = useState(false);
  const write = async (kind: Kind) => {
    setBusy(true);
    try {
      await save(kind);
      store.told.value = `saved ${what} as ${kind.toUpperCase()}`;
    } catch (fault) {
      store.told.value = fault instanceof Error ? fault.message : String(fault);
    } finally {
      setBusy(false);
    }
  };
  return (
    <span class="save-as buttons" role="group" aria-label={`Save ${what}`}>
      <span class="soft" aria-hidden="true">Save</span>
      {kinds.map((kind) => (
        <button key={kind} type="button" class="button" disabled={busy} title={`Save ${what} as it is shown, as ${kind.toUpperCase()}`} onClick={() => void write(kind)}>
          {kind.toUpperCase()}
        </button>
      ))}
    </span>
  );
}
