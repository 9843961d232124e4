/** All points of the map: the components of one index, or of two that share a foundation model. */

import KDBush from "kdbush";
import type { AtlasColumns, Indexed } from "../data/indexed";
import { type Loaded, valueOf } from "../data/load";
import type { Store } from "../data/store";
import type { Box } from "./camera";
import { closeGaps } from "./gaps";

/** The points of one index: row r is point start + r. */
export interface Part {
  index: Indexed;
  start: number;
  stop: number;
}

export interface MapModel {
  parts: Part[];
  count: number; // points, the dead among them
  xy: Float32Array; // x, y of each point, at most 1 away from the middle; NaN: dead
  cluster: Int32Array; // -1: dead
  halfX: number;
  halfY: number;
  names: string[]; // of the clusters, as the server gave them
  drawing: string;
  by: string; // what near means: examples or encoding
  tree: KDBush;
  living: Uint32Array; // the tree's items as points
}

/** The map, as far as it is known. A second index that has none, or another space, is left out. */
export function modelOf(store: Store): Loaded<MapModel> {
  const shown = store.index.value;
  const others = store.session.comparable ? store.indexes.filter((one) => one !== shown) : [];
  const first = shown.atlas.value;
  if (first.state !== "ready") return first;
  for (const other of others) if (other.atlas.value.state === "loading") return other.atlas.value;
  const indexes = store.indexes.filter((one) => one === shown || (others.includes(one) && valueOf(one.atlas.value)));
  return { state: "ready", value: remembered(indexes) };
}

const known = new WeakMap<AtlasColumns, { indexes: Indexed[]; model: MapModel }>();

/** A model is made once, also where the map comes and goes, or the other index is looked at. */
function remembered(indexes: Indexed[]): MapModel {
  const key = valueOf(indexes[0]!.atlas.value)!;
  const found = known.get(key);
  if (found && found.indexes.length === indexes.length && found.indexes.every((one, at) => one === indexes[at])) return found.model;
  const model = makeModel(indexes.map((index) => ({ index, atlas: valueOf(index.atlas.value)! })));
  known.set(key, { indexes, model });
  return model;
}

function makeModel(drawn: { index: Indexed; atlas: AtlasColumns }[]): MapModel {
  const count = drawn.reduce((sum, { index }) => sum + index.count, 0);
  const xy = new Float32Array(2 * count);
  const cluster = new Int32Array(count);
  const parts: Part[] = [];
  let start = 0;
  for (const { index, atlas } of drawn) {
    for (let row = 0; row < index.count; row++) {
      xy[2 * (start + row)] = atlas.x[row]!;
      xy[2 * (start + row) + 1] = atlas.y[row]!;
    }
    cluster.set(atlas.cluster, start);
    parts.push({ index, start, stop: start + index.count });
    start += index.count;
  }
  closeGaps(xy, 0);
  closeGaps(xy, 1);
  const { halfX, halfY } = normalise(xy);
  const living = Uint32Array.from({ length: count }, (_, point) => point).filter((point) => !Number.isNaN(xy[2 * point]!));
  const tree = new KDBush(Math.max(1, living.length), 64, Float32Array);
  for (const point of living) tree.add(xy[2 * point]!, xy[2 * point + 1]!);
  if (!living.length) tree.add(NaN, NaN); // a tree of nothing cannot be finished
  tree.finish();
  return { parts, count, xy, cluster, halfX, halfY, names: drawn[0]!.atlas.names, drawing: drawn[0]!.atlas.drawing, by: drawn[0]!.atlas.by, tree, living };
}

/** Moves the middle of all points to the origin and their longer side to -1 ... 1, in place. */
function normalise(xy: Float32Array): { halfX: number; halfY: number } {
  const { left, right, bottom, top } = boxOf(xy);
  if (!(right >= left)) return { halfX: 1, halfY: 1 };
  const half = Math.max(right - left, top - bottom) / 2 || 1;
  for (let at = 0; at < xy.length; at += 2) {
    xy[at] = (xy[at]! - (left + right) / 2) / half;
    xy[at + 1] = (xy[at + 1]! - (bottom + top) / 2) / half;
  }
  return { halfX: (right - left) / 2 / half || 0.05, halfY: (top - bottom) / 2 / half || 0.05 };
}

/** The box around points; around all where none are named. */
export function boxOf(xy: Float32Array, points?: Iterable<number>): Box {
  const box = { left: Infinity, bottom: Infinity, right: -Infinity, top: -Infinity };
  const widen = (point: number) => {
    const x = xy[2 * point]!;
    const y = xy[2 * point + 1]!;
    if (x < box.left) box.left = x; // comparisons with NaN are false: the dead do not count
    if (x > box.right) box.right = x;
    if (y < box.bottom) box.bottom = y;
    if (y > box.top) box.top = y;
  };
  if (points) for (const point of points) widen(point);
  else for (let point = 0; 2 * point < xy.length; point++) widen(point);
  return box;
}

export function partOf(model: MapModel, point: number): Part {
  return model.parts.find((part) => point < part.stop)!;
}

/** The point of a component, given by its index's number and its row; -1 if it is not on the map. */
export function pointOf(model: MapModel, number: number, row: number): number {
  const part = model.parts.find((one) => one.index.number === number);
  const point = part && row >= 0 && row < part.index.count ? part.start + row : -1;
  return point >= 0 && !Number.isNaN(model.xy[2 * point]!) ? point : -1;
}

/** The points within a box of the map, the invisible left out. */
export function pointsIn(model: MapModel, { left, bottom, right, top }: Box, visible: Uint8Array): number[] {
  return model.tree.range(left, bottom, right, top).map((item) => model.living[item]!).filter((point) => visible[point]);
}

/** The visible point nearest to a place, no farther than a radius; -1 if there is none. */
export function nearest(model: MapModel, x: number, y: number, radius: number, visible: Uint8Array): number {
  let best = -1;
  let least = radius * radius;
  for (const item of model.tree.within(x, y, radius)) {
    const point = model.living[item]!;
    const away = (model.xy[2 * point]! - x) ** 2 + (model.xy[2 * point + 1]! - y) ** 2;
    if (visible[point] && (away < least || best < 0)) {
      best = point;
      least = away;
    }
  }
  return best;
}

/** The visible point that is reached from a place by a step to (right, up): near, and in that direction; -1: none. */
export function towards(model: MapModel, from: number, right: number, up: number, visible: Uint8Array): number {
  const x = model.xy[2 * from]!;
  const y = model.xy[2 * from + 1]!;
  for (let radius = 0.02; radius < 8; radius *= 3) {
    let best = -1;
    let least = Infinity;
    for (const item of model.tree.within(x, y, radius)) {
      const point = model.living[item]!;
      const along = (model.xy[2 * point]! - x) * right + (model.xy[2 * point + 1]! - y) * up;
      const aside = Math.abs((model.xy[2 * point]! - x) * up - (model.xy[2 * point + 1]! - y) * right);
      const cost = along + 2 * aside;
      if (point === from || !visible[point] || along <= 0 || aside > along || cost >= least) continue;
      best = point;
      least = cost;
    }
    if (best >= 0 && least <= radius) return best; // else a nearer one may lie just outside
    if (best >= 0 && radius * 3 >= 8) return best;
  }
  return -1;
}
