/** What the reader's hand does to the map. */

import type { Camera } from "./camera";
import type { Hand } from "./gestures";
import type { MapState } from "./state";

/** What of the drawing a hand needs. */
export interface Reach {
  move(camera: Camera): void;
  fly(to: Camera): void;
  under(x: number, y: number): number; // the point at a place of the screen, or -1
  inside(line: readonly number[]): number[]; // the points inside a line
}

export function handOf(scene: Reach, state: MapState): Hand {
  return {
    mode: () => state.mode.peek(),
    combine: () => state.combine.peek(),
    camera: () => state.camera.peek(),
    view: () => state.view.peek(),
    move: (camera) => scene.move(camera),
    fly: (camera) => scene.fly(camera),
    hover: (x, y) => {
      const point = scene.under(x, y);
      if (point !== state.hover.peek()) state.pointAt(point);
    },
    away: () => state.pointAt(-1),
    click: (x, y) => {
      const point = scene.under(x, y);
      state.pinned.value = point === state.pinned.peek() ? -1 : point;
    },
    line: (line) => {
      state.line.value = line;
    },
    caught: (line, how) => state.caught(scene.inside(line), how),
  };
}
