/** How the reader judges a component: valid, spurious, unsure or nothing, kept by the server. */

import type { Indexed } from "../data/indexed";
import { type Store, useStore } from "../data/store";
import type { Tag } from "../data/types";

export const TAGS: { tag: Tag; key: string }[] = [
  { tag: "valid", key: "1" },
  { tag: "spurious", key: "2" },
  { tag: "unsure", key: "3" },
];

/** Tags a component; the tag that it has already goes. */
export async function judge(store: Store, index: Indexed, row: number, tag: Tag | null): Promise<void> {
  try {
    await index.annotate({ row, tag: index.tag(row) === tag ? null : tag });
  } catch (fault) {
    store.told.value = fault instanceof Error ? fault.message : String(fault);
  }
}

export async function takeBack(store: Store, index: Indexed): Promise<void> {
  const last = index.annotations.peek().undo;
  if (!last) return;
  try {
    await index.undo();
    store.told.value = `Undone: ${last}`;
  } catch (fault) {
    store.told.value = fault instanceof Error ? fault.message : String(fault);
  }
}

/** A button for each judgement. */
export function Judge({ index, row, of }: { index: Indexed; row: number; of: string }) {
  const store = useStore();
  if (!store.session.can.annotate) return null;
  const now = index.tag(row);
  return (
    <div class="judge" role="group" aria-label={`Your judgement of ${of}`}>
      {TAGS.map(({ tag, key }) => (
        <button key={tag} type="button" class={tag} aria-pressed={now === tag} title={`${tag} (key ${key})`} onClick={() => void judge(store, index, row, tag)}>
          <kbd aria-hidden="true">{key}</kbd> {tag}
        </button>
      ))}
    </div>
  );
}
