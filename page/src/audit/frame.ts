/** Where alignments lie on the quadrant chart, in pixels, and which dot lies where. */

import type { Audit } from "../data/types";

const LARGEST = 17; // radius of a dot
const SMALLEST = 2.2;
const CROWD = 3000; // dots; the smallest of more are smaller still
export const SPECK = 1.4; // so small, and drawn without an outline
const NEAR = 5; // radius within which a dot is hit, however small it is

export interface Frame {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
  valid: [number, number]; // the lowest and the highest alignment on the chart
  spurious: [number, number];
}

/** The dots of a layer, the most relevant first. */
export interface Dots {
  at: Int32Array; // of the rows in the answer
  x: Float32Array;
  y: Float32Array;
  radius: Float32Array;
}

export function frameOf(audit: Audit, at: Int32Array, limits: { valid: number; spurious: number }, width: number): Frame {
  const height = Math.round(Math.min(Math.max(width * 0.74, 340), 600));
  const range = (side: "valid" | "spurious"): [number, number] => {
    let [low, high] = [0, 4];
    for (const one of at) [low, high] = [Math.min(low, audit.rows[one]![side]), Math.max(high, audit.rows[one]![side])];
    if (Number.isFinite(limits[side])) high = Math.max(high, limits[side]);
    const room = (high - low) * 0.06;
    return [low - room, high + room];
  };
  return { width, height, left: 52, right: width - 14, top: 24, bottom: height - 56, valid: range("valid"), spurious: range("spurious") };
}

export function acrossOf({ left, right, valid: [low, high] }: Frame, valid: number): number {
  return left + ((valid - low) / (high - low)) * (right - left);
}

export function downOf({ top, bottom, spurious: [low, high] }: Frame, spurious: number): number {
  return top + ((high - spurious) / (high - low)) * (bottom - top);
}

/** The place of a threshold; one that nothing can exceed lies at the edge. */
export function edgeOf(frame: Frame, side: "valid" | "spurious", limit: number): number {
  if (side === "valid") return Math.max(frame.left, Math.min(acrossOf(frame, limit), frame.right));
  return Math.min(frame.bottom, Math.max(Number.isFinite(limit) ? downOf(frame, limit) : frame.top, frame.top));
}

/** The alignment at a place. */
export function alignmentAt(frame: Frame, side: "valid" | "spurious", x: number, y: number): number {
  const [low, high] = frame[side];
  const part = side === "valid" ? (x - frame.left) / (frame.right - frame.left) : (frame.bottom - y) / (frame.bottom - frame.top);
  return low + Math.min(Math.max(part, 0), 1) * (high - low);
}

export function dotsOf(audit: Audit, at: Int32Array, frame: Frame): Dots {
  const rows = Array.from(at, (one) => audit.rows[one]!);
  const most = rows.reduce((found, row) => Math.max(found, row.relevance), 0) || 1;
  const smallest = at.length > CROWD ? SPECK : SMALLEST;
  const largest = frame.width < 480 ? LARGEST * 0.7 : LARGEST;
  return {
    at,
    x: Float32Array.from(rows, (row) => acrossOf(frame, row.valid)),
    y: Float32Array.from(rows, (row) => downOf(frame, row.spurious)),
    radius: Float32Array.from(rows, (row) => Math.max(smallest, largest * Math.sqrt(Math.max(row.relevance, 0) / most))),
  };
}

/** Some of the dots. */
export function someOf({ at, x, y, radius }: Dots, dots: number[]): Dots {
  return {
    at: Int32Array.from(dots, (dot) => at[dot]!),
    x: Float32Array.from(dots, (dot) => x[dot]!),
    y: Float32Array.from(dots, (dot) => y[dot]!),
    radius: Float32Array.from(dots, (dot) => radius[dot]!),
  };
}

/** The dot at a place, the smallest of several; -1 if there is none. */
export function dotAt(dots: Dots, x: number, y: number): number {
  let [found, size] = [-1, Infinity];
  for (let dot = 0; dot < dots.at.length; dot++) {
    const radius = dots.radius[dot]!;
    const away = Math.hypot(dots.x[dot]! - x, dots.y[dot]! - y);
    const rank = away <= radius ? radius : radius + away; // one that is hit comes before one that is near
    if (away <= Math.max(radius, NEAR) && rank <= size) [found, size] = [dot, rank];
  }
  return found;
}

export type Point = readonly [number, number];

/** The dots inside a line that is closed. */
export function dotsInside(dots: Dots, line: Point[]): number[] {
  const found: number[] = [];
  for (let dot = 0; dot < dots.at.length; dot++) if (inside(line, dots.x[dot]!, dots.y[dot]!)) found.push(dot);
  return found;
}

function inside(line: Point[], x: number, y: number): boolean {
  let odd = false;
  for (let at = 0, before = line.length - 1; at < line.length; before = at++) {
    const [[x0, y0], [x1, y1]] = [line[before]!, line[at]!];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) odd = !odd;
  }
  return odd;
}

/** Whole numbers along an axis, neither too many nor too few. */
export function ticks([low, high]: [number, number], room: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((one) => (room / (high - low)) * one >= 44) ?? 200;
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) found.push(tick);
  return found;
}
