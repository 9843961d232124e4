/** What lies over the dots: it takes the pointer and the keys, rings what is pointed at and pinned, shows the preview. */

import { useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useStore } from "../data/store";
import { described } from "./Facts";
import type { Dots, Frame } from "./frame";
import { outline } from "./Marks";
import { Preview } from "./Preview";
import { type AuditState, called } from "./state";
import { type Tool, usePointer } from "./usePointer";

export interface OverlayProps {
  state: AuditState;
  frame: Frame;
  dots: Dots;
  tool: Tool;
  label: string;
  children: ComponentChildren;
}

export function Overlay({ state, frame, dots, tool, label, children }: OverlayProps) {
  const store = useStore();
  const { index } = state;
  const { rows } = state.counted.value!.audit;
  const hovered = useSignal(-1); // a dot
  const cursor = useSignal(0); // the dot that has the focus
  const rowOf = (dot: number) => rows[dots.at[dot]!]!;
  const pin = useComputed(() => store.place.route.value.params.get("pin")).value;
  const pinned = pin === null ? -1 : dots.at.findIndex((at) => rows[at]!.component === pin);
  const setPin = (dot: number) => store.place.set({ pin: dot < 0 || dot === pinned ? null : rowOf(dot).component }, true);
  const point = (dot: number) => {
    if (hovered.peek() === dot) return;
    hovered.value = dot;
    store.pointed.value = dot < 0 ? null : { index: index.number, row: rowOf(dot).row };
  };
  const click = (dot: number) => {
    setPin(dot);
    if (dot >= 0) cursor.value = dot;
  };
  const { line, ...handlers } = usePointer({ dots, tool, point, click, select: (found, event) => select(found.map((dot) => rowOf(dot).row), event) });
  const select = (found: number[], event: PointerEvent) => {
    const before = Array.from(store.selection.peek() ?? []);
    const next = event.shiftKey ? [...new Set([...before, ...found])] : event.altKey ? before.filter((row) => !found.includes(row)) : found;
    store.select(next.length ? next : null);
  };
  const keyed = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -dots.at.length }[event.key];
    if (event.key === "Escape") setPin(-1);
    else if (event.key === "Enter" || event.key === " ") setPin(cursor.peek());
    else if (step) cursor.value = Math.min(Math.max(cursor.peek() + step, 0), dots.at.length - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
    point(cursor.peek());
  };
  const elsewhere = useComputed(() => {
    const at = store.pointed.value;
    return at && at.index === index.number ? state.at.value[at.row]! : -1;
  }).value;
  const lit = hovered.value >= 0 ? hovered.value : elsewhere < 0 ? -1 : dots.at.indexOf(elsewhere);
  const shown = hovered.value >= 0 ? hovered.value : pinned;
  const focus = Math.min(cursor.value, dots.at.length - 1);
  const ring = (dot: number) => outline(state.quadrant(dots.at[dot]!), dots.x[dot]!, dots.y[dot]!, dots.radius[dot]! + 2.5);
  const said = (dot: number) => described(called(index, rowOf(dot), state.quadrant(dots.at[dot]!)), rowOf(dot), state.quadrant(dots.at[dot]!));
  return (
    <>
      <svg class="scatter" width={frame.width} height={frame.height} role="group" aria-label={label} {...handlers}>
        {children}
        {line.length > 0 && <polygon class="drawn" points={line.map((at) => at.join(",")).join(" ")} />}
        {pinned >= 0 && <path class="ring pinned" d={ring(pinned)} />}
        {lit >= 0 && <path class="ring" d={ring(lit)} />}
        {focus >= 0 && (
          <path class="cursor" d={ring(focus)} role="button" tabindex={0} aria-pressed={focus === pinned} aria-label={`Mark ${focus + 1} of ${dots.at.length}: ${said(focus)}`} onFocus={() => point(cursor.peek())} onBlur={() => point(-1)} onKeyDown={keyed} />
        )}
      </svg>
      {shown >= 0 && <Preview state={state} index={index} at={dots.at[shown]!} x={dots.x[shown]!} y={dots.y[shown]!} frame={frame} unpin={shown === pinned ? () => setPin(-1) : null} />}
    </>
  );
}
