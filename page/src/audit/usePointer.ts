/** The pointer over the chart: what it points at, what it clicks, what it encloses. */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Dots, type Point, dotAt, dotsInside } from "./frame";

export type Tool = "box" | "lasso";

const CLICK = 4; // pixels; a longer way is a drag

export interface Pointed {
  dots: Dots;
  tool: Tool;
  point(dot: number): void; // -1: nothing
  click(dot: number): void;
  select(dots: number[], event: PointerEvent): void;
}

export function usePointer({ dots, tool, point, click, select }: Pointed) {
  const line = useSignal<Point[]>([]); // around what is being selected
  const start = useRef<Point | null>(null);
  const placeOf = (event: PointerEvent): Point => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const onPointerDown = (event: PointerEvent) => {
    if (event.button !== 0) return;
    start.current = placeOf(event);
    if (event.pointerType !== "touch") (event.currentTarget as Element).setPointerCapture(event.pointerId); // a finger scrolls the page
  };
  const onPointerMove = (event: PointerEvent) => {
    const here = placeOf(event);
    const from = start.current;
    if (!from || event.pointerType === "touch") return point(dotAt(dots, ...here));
    const before = line.peek();
    if (!before.length && Math.hypot(here[0] - from[0], here[1] - from[1]) < CLICK) return;
    point(-1);
    line.value = tool === "lasso" ? [...(before.length ? before : [from]), here] : [from, [here[0], from[1]], here, [from[0], here[1]]];
  };
  const stop = () => {
    start.current = null;
    line.value = [];
  };
  const onPointerUp = (event: PointerEvent) => {
    if (!start.current) return;
    const drawn = line.peek();
    stop();
    if (drawn.length) select(dotsInside(dots, drawn), event);
    else click(dotAt(dots, ...placeOf(event)));
  };
  return { line: line.value, onPointerDown, onPointerMove, onPointerUp, onPointerCancel: stop, onPointerLeave: () => point(-1) };
}
