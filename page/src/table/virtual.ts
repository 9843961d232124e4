/** A list of any length in a box that scrolls: only the rows on the screen are in the page. */

import { type RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const TALLEST = 12_000_000; // pixels: less than what every browser can scroll
const SPARE = 6; // rows beyond the screen on both sides, for what scrolling uncovers

export interface Virtual {
  box: RefObject<HTMLDivElement>;
  first: number; // of the rows to draw
  last: number; // exclusive
  span: number; // height of all rows, in pixels
  top: number; // where the first drawn row lies
  page: number; // whole rows on the screen
  /** Scrolls as little as shows the row. */
  reveal(at: number): void;
}

/** Which of `count` rows, each `height` pixels, are on the screen; `head` pixels of the box are taken by what stays.
 *  Lists too tall for a browser are squeezed: then the bar moves over several rows at once. */
export function useVirtual(count: number, height: number, head: number): Virtual {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const [view, setView] = useState(600);
  const full = count * height;
  const span = Math.min(full, TALLEST);
  const room = Math.max(height, view - head);
  const squeeze = span > room ? (full - room) / (span - room) : 1;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setView(element.clientHeight);
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const follow = () => setScroll(element.scrollTop);
    element.addEventListener("scroll", follow, { passive: true });
    return () => element.removeEventListener("scroll", follow);
  }, []);

  const at = Math.min(scroll, Math.max(0, span - room));
  const seen = at * squeeze; // pixels of the full list above the screen
  const first = Math.max(0, Math.floor(seen / height) - SPARE);
  const last = Math.min(count, Math.ceil((seen + room) / height) + SPARE);
  const reveal = useCallback(
    (row: number) => {
      const element = box.current;
      if (!element) return;
      const now = element.scrollTop * squeeze;
      const wanted = Math.max(Math.min(now, row * height), (row + 1) * height - Math.max(height, element.clientHeight - head));
      if (wanted !== now) element.scrollTop = wanted / squeeze;
    },
    [height, head, squeeze],
  );
  return { box, first, last, span, top: at - (seen - first * height), page: Math.max(1, Math.floor(room / height)), reveal };
}
