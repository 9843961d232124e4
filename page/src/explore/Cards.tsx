/** Cards of any number of components, of which only those in view exist. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import type { Search } from "../data/store";
import { Card } from "../ui/Card";
import { type Scale, Similarity } from "./Similarity";

const GAP = 12;
const NARROWEST = 172; // pixels of a card; two stand side by side on a telephone
const WORDS = 61; // pixels below the pictures
const MEASURED = 34; // more, with a similarity
const AHEAD = 1; // rows of cards outside of the view

export interface CardsProps {
  index: Indexed;
  rows: Int32Array;
  found: Search | null;
  scale: Scale | null;
  count: number; // of the rows, how many are listed
}

export function Cards({ index, rows, found, scale, count }: CardsProps) {
  const list = useRef<HTMLUListElement>(null);
  const { width, from, until } = useView(list);
  const [active, setActive] = useState(0);
  const now = useRef(0); // the same, at once: keys may come faster than drawings
  const follow = useRef(false); // the keyboard moved: the focus goes along
  const columns = Math.max(width < 460 ? 2 : 1, Math.floor((width + GAP) / (NARROWEST + GAP)));
  const wide = (width - GAP * (columns - 1)) / columns;
  const few = index.info.k < 3;
  const high = (few ? wide / 2 : wide) + WORDS + (found ? MEASURED : 0);
  const step = high + GAP;
  const lines = Math.ceil(count / columns);
  const first = Math.max(0, Math.floor(from / step) - AHEAD);
  const last = Math.min(lines, Math.ceil(until / step) + AHEAD);
  const focused = Math.min(active, Math.max(0, count - 1));

  const activate = (at: number) => {
    now.current = at;
    setActive(at);
  };
  useEffect(() => activate(0), [rows]);
  useEffect(() => {
    if (!follow.current) return;
    follow.current = false;
    list.current?.querySelector<HTMLElement>(`[data-at="${focused}"] > a`)?.focus();
  });

  const pressed = (event: KeyboardEvent) => {
    const to = moved(event.key, Math.min(now.current, count - 1), columns, count);
    if (to === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    follow.current = true;
    activate(to);
  };
  const shown = width ? range(first * columns, Math.min(count, last * columns), focused, count) : [];
  return (
    <ul ref={list} class="cards" role="list" style={{ height: `${Math.max(0, lines * step - GAP)}px` }} onKeyDown={pressed}>
      {shown.map((at) => {
        const row = rows[at]!;
        const place = { left: `${(at % columns) * (wide + GAP)}px`, top: `${Math.floor(at / columns) * step}px`, width: `${wide}px`, height: `${high}px` };
        return (
          <li key={row} data-at={at} aria-setsize={count} aria-posinset={at + 1} style={place} onFocusIn={() => !follow.current && activate(at)}>
            <Card index={index} row={row} crops={few ? 2 : 4} tabIndex={at === focused ? 0 : -1}>
              {found && scale && <Similarity value={found.value[row]!} scale={scale} />}
            </Card>
          </li>
        );
      })}
    </ul>
  );
}

/** Where a key leads to; null for another key. */
function moved(key: string, at: number, columns: number, count: number): number | null {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (step === undefined) return null;
  const to = at + step;
  return to < 0 || to >= count ? at : to;
}

/** The cards in view, and the one that the keyboard is on. */
function range(start: number, stop: number, focused: number, count: number): number[] {
  const shown = Array.from({ length: Math.max(0, stop - start) }, (_, at) => start + at);
  if (count && (focused < start || focused >= stop)) shown.push(focused);
  return shown;
}

/** The width of the list and which part of its height can be seen, whatever scrolls: the page or an element around it. */
function useView(list: { current: HTMLElement | null }) {
  const [view, set] = useState({ width: 0, from: 0, until: 0 });
  useLayoutEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      const box = list.current!.getBoundingClientRect();
      // In steps, so that scrolling a little draws nothing anew.
      const from = Math.floor(-box.top / 64) * 64;
      const next = { width: list.current!.clientWidth, from, until: from + innerHeight + 64 };
      set((now) => (now.width === next.width && now.from === next.from && now.until === next.until ? now : next));
    };
    const later = () => {
      asked ||= requestAnimationFrame(look);
    };
    look();
    const sizes = new ResizeObserver(later);
    sizes.observe(list.current!);
    document.addEventListener("scroll", later, { capture: true, passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(asked);
      sizes.disconnect();
      document.removeEventListener("scroll", later, { capture: true });
      removeEventListener("resize", later);
    };
  }, []);
  return view;
}
