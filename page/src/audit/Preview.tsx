/** What a dot shows when it is pointed at; a pinned one stays and can be judged. */

import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { Crops } from "../ui/Crops";
import { componentHref } from "../ui/links";
import { Facts } from "./Facts";
import type { Frame } from "./frame";
import { Judge } from "./Judge";
import { Key } from "./Marks";
import { type AuditState, called } from "./state";
import { NAMES } from "./words";

const WIDE = 264; // pixels, as in the style
const TALL = 300;
const PINNED = 370; // pixels, with the buttons of a pinned one

export interface PreviewProps {
  state: AuditState;
  index: Indexed;
  at: number; // of the row in the answer
  x: number; // of its dot
  y: number;
  frame: Frame;
  unpin: (() => void) | null; // null: it is only pointed at
}

export function Preview({ state, index, at, x, y, frame, unpin }: PreviewProps) {
  const store = useStore();
  const { audit, moved } = state.counted.value!;
  const row = audit.rows[at]!;
  const quadrant = state.quadrant(at);
  const left = x + WIDE + 20 < frame.width ? x + 16 : Math.max(2, x - WIDE - 16);
  const top = Math.max(0, Math.min(y - TALL / 2, frame.height - (unpin ? PINNED : TALL)));
  const name = called(index, row, quadrant);
  return (
    <div class={`preview ${unpin ? "pinned" : ""}`} style={{ left: `${Math.min(left, Math.max(2, frame.width - WIDE - 2))}px`, top: `${top}px` }}>
      <p class="name">
        <Key of={quadrant} /> <strong><bdi>{name}</bdi></strong> {name !== row.component && <code>{row.component}</code>}
        {unpin && (
          <button type="button" aria-label="Close the preview" onClick={unpin}>
            ×
          </button>
        )}
      </p>
      <p class="hint">fits {NAMES[quadrant]}</p>
      <Crops index={index} row={row.row} count={4} />
      <Facts row={row} quadrant={quadrant} moved={moved} top={Math.max(row.relevance, row.against)} />
      {unpin && <Judge index={index} row={row.row} of={name} />}
      {unpin && <a href={componentHref(store, index, row.row)}>Open the component</a>}
    </div>
  );
}
