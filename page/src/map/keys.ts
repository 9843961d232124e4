/** The map by keyboard. */

import { dragged } from "./camera";
import { nearest, partOf, towards } from "./model";
import type { Scene } from "./scene";
import type { MapState } from "./state";

const STEP = 60; // CSS pixels
const ARROWS: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Does what a key asks for; false: it is not the map's. */
export function press(event: KeyboardEvent, state: MapState, scene: Scene, open: (point: number) => void): boolean {
  const arrow = ARROWS[event.key];
  if (arrow) return event.ctrlKey || event.metaKey ? jump(state, scene, arrow) : pan(state, scene, arrow);
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  switch (event.key) {
    case "+":
    case "=":
      scene.zoom(1.6);
      return true;
    case "-":
    case "_":
      scene.zoom(1 / 1.6);
      return true;
    case "0":
      scene.fitAll();
      return true;
    case "Enter":
    case " ":
      return enter(event.key, state, open);
    case "Escape":
      return escape(state);
    default:
      return false;
  }
}

function pan(state: MapState, scene: Scene, [right, up]: [number, number]): boolean {
  scene.move(dragged(state.camera.peek(), state.view.peek(), -right * STEP, up * STEP));
  return true;
}

/** To the next point in that direction; the first time to the one nearest to the middle. */
function jump(state: MapState, scene: Scene, [right, up]: [number, number]): boolean {
  const model = state.model;
  if (!model) return true;
  const from = state.hover.peek() >= 0 ? state.hover.peek() : state.pinned.peek();
  const { x, y } = state.camera.peek();
  const to = from < 0 ? nearest(model, x, y, 3, state.visible.peek()) : towards(model, from, right, up, state.visible.peek());
  if (to < 0) {
    state.said.value = "No component farther in this direction.";
    return true;
  }
  state.pointAt(to);
  scene.reveal(to);
  const { index, start } = partOf(model, to);
  state.said.value = `${index.title(to - start)}, ${index.id(to - start)}`;
  return true;
}

function enter(key: string, state: MapState, open: (point: number) => void): boolean {
  const point = state.hover.peek() >= 0 ? state.hover.peek() : state.pinned.peek();
  if (point < 0) return false;
  if (key === "Enter") open(point);
  else state.pinned.value = point;
  return true;
}

function escape(state: MapState): boolean {
  if (state.pinned.peek() < 0 && state.hover.peek() < 0) return false;
  state.pinned.value = -1;
  state.pointAt(-1);
  return true;
}
