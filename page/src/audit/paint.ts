/** The dots of the quadrant chart on a canvas: many at once, in the page's colours. */

import type { Quadrant } from "../data/types";
import { type Dots, type Frame, SPECK } from "./frame";
import { outline } from "./Marks";
import { QUADRANTS } from "./words";

const FADED = 0.14; // what does not pass the reader's filters

export interface Look {
  frame: Frame;
  dots: Dots;
  quadrant: (dot: number) => number;
  kept: (dot: number) => boolean;
}

/** The corners of each quadrant's region: left, top, right, bottom. */
export function regionsOf({ left, right, top, bottom }: Frame, { x, y }: { x: number; y: number }): Record<Quadrant, readonly [number, number, number, number]> {
  return { valid: [x, y, right, bottom], spurious: [left, top, x, y], both: [x, top, right, y], neither: [left, y, x, bottom] };
}

/** Draws the dots from `start` on and before `stop`, the most relevant at the bottom. */
export function paint(canvas: HTMLCanvasElement, look: Look, start: number, stop: number): void {
  const { width, height } = look.frame;
  const finer = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * finer);
  canvas.height = Math.round(height * finer);
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const style = getComputedStyle(canvas);
  const colours = QUADRANTS.map((name) => style.getPropertyValue(`--${name}`).trim());
  const { x, y, radius, at } = look.dots;
  const stamps = new Map<number, ImageBitmap>();
  for (let dot = start; dot < Math.min(stop, at.length); dot++) {
    const [stands, whole, size] = [look.quadrant(dot), look.kept(dot), Math.round(radius[dot]! * 4)];
    const key = size * 8 + stands * 2 + Number(whole);
    let drawn = stamps.get(key);
    if (!drawn) stamps.set(key, (drawn = stamp(QUADRANTS[stands]!, size / 4, whole ? 1 : FADED, colours[stands]!, finer)));
    pen.drawImage(drawn, Math.round(x[dot]! * finer - drawn.width / 2), Math.round(y[dot]! * finer - drawn.height / 2));
  }
}

/** A mark by itself. Many dots are alike, and copying one is faster than drawing it. */
function stamp(quadrant: Quadrant, radius: number, fade: number, colour: string, finer: number): ImageBitmap {
  const side = 2 * Math.ceil((radius * 1.3 + 2) * finer);
  const canvas = new OffscreenCanvas(side, side);
  const pen = canvas.getContext("2d")!;
  pen.scale(finer, finer);
  const path = new Path2D(outline(quadrant, side / finer / 2, side / finer / 2, radius));
  pen.fillStyle = pen.strokeStyle = colour;
  const speck = radius < SPECK + 0.3; // with its outline it would be a blot
  pen.globalAlpha = fade * (quadrant === "neither" ? (speck ? 0.3 : 0.1) : 0.5);
  pen.fill(path);
  if (speck) return canvas.transferToImageBitmap();
  pen.globalAlpha = fade;
  pen.lineWidth = quadrant === "neither" ? 1.5 : 1.2;
  pen.stroke(path);
  return canvas.transferToImageBitmap();
}
