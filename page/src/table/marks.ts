/** The rows that the reader has marked: by a click, a click with Shift for all between, with Ctrl for one more. */

import { useRef, useState } from "preact/hooks";

export interface Marks {
  marked: ReadonlySet<number>; // components
  active: number; // place in the list of the row that keys act on; -1: none
  /** Makes a row the active one, and marks it: alone, or with all from where marking began, or beside the others. */
  mark(at: number, how: "one" | "to" | "also" | "none"): void;
  clear(): void;
}

export function useMarks(rows: Int32Array): Marks {
  const [marked, setMarked] = useState<ReadonlySet<number>>(new Set());
  const [active, setActive] = useState(-1);
  const from = useRef(-1);
  const shown = useRef(rows);
  if (shown.current !== rows) {
    shown.current = rows; // places mean other components now
    from.current = -1;
    if (active >= rows.length) setActive(-1);
  }
  const mark: Marks["mark"] = (at, how) => {
    const row = rows[at];
    if (row === undefined) return;
    setActive(at);
    if (how === "none") return void (from.current = at);
    if (how === "to" && from.current >= 0) {
      return setMarked(new Set(rows.subarray(Math.min(from.current, at), Math.max(from.current, at) + 1)));
    }
    from.current = at;
    const next = new Set(how === "also" ? marked : []);
    if (how === "also" && marked.has(row)) next.delete(row);
    else next.add(row);
    setMarked(next);
  };
  const clear = () => {
    from.current = -1;
    setMarked(new Set());
  };
  return { marked, active, mark, clear };
}
