/** What draws the points. The map knows no more of it than this, so that another one can take its place. */

import type { Colour } from "./palette";

/** How the points look. Arrays are over all points, `order` names those that are drawn, the last on top. */
export interface Looks {
  colours: Uint8Array; // r g b a of each
  marks: Uint8Array; // LARGE, OUTLINED
  order: Uint32Array;
}

export const LARGE = 1;
export const OUTLINED = 2; // a hollow diamond instead of a disc

export interface Shot {
  x: number; // centre, on the map
  y: number;
  scale: number; // CSS pixels per unit of the map
  size: number; // of a point, in CSS pixels
  opacity: number; // of a point, where points are dense
  ground: Colour;
}

export interface PointLayer {
  /** How it draws: by a graphics card, by WebGL in software, or on a 2-D canvas. */
  readonly kind: "gpu" | "software" | "canvas";
  readonly canvas: HTMLCanvasElement;
  /** Takes positions: x, y of each point. */
  place(xy: Float32Array): void;
  look(looks: Looks): void;
  resize(width: number, height: number, ratio: number): void;
  draw(shot: Shot): void;
  /** Called when what was drawn is lost and can be drawn again. */
  onRestored(again: () => void): void;
  destroy(): void;
}
