/** Pointer, wheel and fingers on the map. */

import { type Camera, type View, dragged, zoomAbout } from "./camera";
import { type Combine, rectangle } from "./lasso";
import type { Mode } from "./state";

export interface Hand {
  mode(): Mode;
  combine(): Combine;
  camera(): Camera;
  view(): View;
  move(camera: Camera): void;
  fly(camera: Camera): void;
  hover(x: number, y: number): void;
  away(): void;
  click(x: number, y: number): void;
  line(line: readonly number[] | null): void;
  caught(line: readonly number[], how: Combine): void;
}

const STILL = 4; // CSS pixels of movement that are still a click
const WHEEL = { pixels: 1, lines: 18, pages: 300 };
const SPEED = 0.0018;
const PINCH = 0.012; // trackpads send a pinch as a wheel with ctrl

type Doing = { what: "pan" } | { what: "lasso" | "box"; how: Combine; line: number[] } | { what: "pinch"; apart: number; x: number; y: number };

export function gestures(surface: HTMLElement, hand: Hand): () => void {
  const fingers = new Map<number, [number, number]>();
  let doing: Doing | null = null;
  let start: [number, number] = [0, 0];
  let moved = false;

  const at = (event: MouseEvent): [number, number] => {
    const box = surface.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, at(event));
    capture(surface, event.pointerId);
    if (fingers.size === 2) {
      hand.line(null);
      moved = true;
      doing = { what: "pinch", ...spanOf(fingers) };
      return;
    }
    start = at(event);
    moved = false;
    doing = begun(event, hand, start);
  };

  const move = (event: PointerEvent) => {
    const here = at(event);
    const before = fingers.get(event.pointerId);
    if (!before || !doing) {
      if (event.pointerType !== "touch") hand.hover(...here);
      return;
    }
    fingers.set(event.pointerId, here);
    if (!moved && Math.hypot(here[0] - start[0], here[1] - start[1]) < STILL) return;
    if (!moved && doing.what !== "pinch") hand.away();
    moved = true;
    doing = moving(doing, hand, fingers, start, before, here);
  };

  const up = (event: PointerEvent) => {
    if (!fingers.delete(event.pointerId)) return;
    const done = doing;
    doing = fingers.size === 1 && done?.what === "pinch" ? { what: "pan" } : null;
    if (!done || done.what === "pinch" || done.what === "pan") {
      if (done?.what === "pan" && !moved) hand.click(...at(event));
      return;
    }
    hand.line(null);
    if (moved && done.line.length >= 6) hand.caught(done.line, done.how);
    else if (!moved) hand.click(...at(event));
  };

  const cancel = (event: PointerEvent) => {
    fingers.delete(event.pointerId);
    doing = null;
    hand.line(null);
  };

  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const unit = [WHEEL.pixels, WHEEL.lines, WHEEL.pages][event.deltaMode] ?? 1;
    const speed = event.ctrlKey ? PINCH : SPEED;
    hand.move(zoomAbout(hand.camera(), hand.view(), ...at(event), Math.exp(-Math.max(-250, Math.min(250, event.deltaY * unit)) * speed)));
  };

  const double = (event: MouseEvent) => hand.fly(zoomAbout(hand.camera(), hand.view(), ...at(event), event.shiftKey ? 0.4 : 2.5));

  const leave = () => fingers.size || hand.away();

  const listeners = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: cancel, pointerleave: leave, dblclick: double } as unknown as Record<string, EventListener>;
  for (const [name, listener] of Object.entries(listeners)) surface.addEventListener(name, listener);
  surface.addEventListener("wheel", wheel, { passive: false });
  return () => {
    for (const [name, listener] of Object.entries(listeners)) surface.removeEventListener(name, listener);
    surface.removeEventListener("wheel", wheel);
  };
}

function capture(surface: HTMLElement, pointer: number): void {
  try {
    surface.setPointerCapture(pointer);
  } catch {
    // the pointer is gone already
  }
}

/** Keys change what dragging does: shift draws, ctrl with it adds, alt takes away. */
function begun(event: PointerEvent, hand: Hand, start: [number, number]): Doing {
  const how = event.altKey ? "less" : event.shiftKey && (event.ctrlKey || event.metaKey) ? "add" : hand.combine();
  const mode = hand.mode();
  const draws = mode !== "pan" || event.shiftKey || event.altKey;
  return draws ? { what: mode === "box" ? "box" : "lasso", how, line: [...start] } : { what: "pan" };
}

function spanOf(fingers: Map<number, [number, number]>): { apart: number; x: number; y: number } {
  const [a, b] = [...fingers.values()] as [[number, number], [number, number]];
  return { apart: Math.max(10, Math.hypot(a[0] - b[0], a[1] - b[1])), x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
}

function moving(doing: Doing, hand: Hand, fingers: Map<number, [number, number]>, start: [number, number], before: [number, number], here: [number, number]): Doing {
  const view = hand.view();
  if (doing.what === "pan") hand.move(dragged(hand.camera(), view, here[0] - before[0], here[1] - before[1]));
  if (doing.what === "lasso") doing.line.push(...here);
  if (doing.what === "box") doing.line = rectangle(...start, ...here);
  if (doing.what === "lasso" || doing.what === "box") hand.line([...doing.line]);
  if (doing.what === "pinch" && fingers.size === 2) {
    const span = spanOf(fingers);
    const panned = dragged(hand.camera(), view, span.x - doing.x, span.y - doing.y);
    hand.move(zoomAbout(panned, view, span.x, span.y, span.apart / doing.apart));
    return { what: "pinch", ...span };
  }
  return doing;
}
