/** How every point looks: its colour by the legend, vivid or faded by the reader's filters. */

import type { Colouring } from "./colouring";
import { LARGE, type Looks, OUTLINED } from "./layer";
import type { MapModel } from "./model";
import { type Colour, groupColour, ramp, rampColour } from "./palette";

export interface Shown {
  colouring: Colouring;
  hidden: ReadonlySet<number>; // groups
  lit: number | null; // the group that the reader points at in the legend: the others fade
  active: number; // number of the index that is looked at
  others: boolean; // the other index's points are shown
  kept: Uint8Array; // of the index that is looked at
  hits: readonly number[]; // points, the best first
  dark: boolean;
  plain: Colour; // of what has no colour of its own
}

const VIVID = 230;
const FADED = 70;

/** Whether some living component does not pass the filters: then the others stand out. */
export function isFiltered(kept: Uint8Array, dead: Uint8Array): boolean {
  for (let row = 0; row < kept.length; row++) if (!kept[row] && !dead[row]) return true;
  return false;
}

/** 1 for each point that is drawn. */
export function visibleOf(model: MapModel, { colouring, hidden, active, others }: Shown): Uint8Array {
  const visible = new Uint8Array(model.count);
  for (const { index, start, stop } of model.parts) {
    if (!others && index.number !== active) continue;
    for (let point = start; point < stop; point++) visible[point] = model.cluster[point]! >= 0 ? 1 : 0;
  }
  if (colouring.kind === "groups" && hidden.size)
    for (let point = 0; point < model.count; point++) if (hidden.has(colouring.of[point]!)) visible[point] = 0;
  return visible;
}

/** The colour of every group of the legend, or of every value. */
export function colourOf(colouring: Colouring, dark: boolean, plain: Colour): (point: number) => Colour {
  if (colouring.kind === "none") return () => plain;
  if (colouring.kind === "values") {
    const colours = ramp(dark);
    return (point) => rampColour(colouring.of[point]!, colouring.low, colouring.high, colours) ?? plain;
  }
  const colours = colouring.groups.map((group, at) => (group.plain ? plain : groupColour(at, dark)));
  return (point) => colours[colouring.of[point]!] ?? plain;
}

export function looksOf(model: MapModel, visible: Uint8Array, shown: Shown): Looks {
  const { colouring, kept, plain, lit } = shown;
  const colours = new Uint8Array(4 * model.count);
  const marks = new Uint8Array(model.count);
  const vivid = new Uint8Array(model.count);
  const pick = colourOf(colouring, shown.dark, plain);
  for (const { index, start, stop } of model.parts) {
    const mine = index.number === shown.active;
    const filtered = mine ? false : isFiltered(kept, model.parts.find((one) => one.index.number === shown.active)!.index.base.dead);
    for (let point = start; point < stop; point++) {
      if (!visible[point]) continue;
      const stands = mine ? kept[point - start] : !filtered;
      const inLit = lit === null || colouring.kind !== "groups" || colouring.of[point] === lit;
      const [r, g, b] = stands ? pick(point) : plain;
      vivid[point] = stands && inLit ? 1 : 0;
      colours[4 * point] = r;
      colours[4 * point + 1] = g;
      colours[4 * point + 2] = b;
      colours[4 * point + 3] = stands ? (inLit ? VIVID : 40) : FADED;
      marks[point] = mine ? 0 : OUTLINED;
    }
  }
  for (const hit of shown.hits) {
    marks[hit]! |= LARGE;
    vivid[hit] = 2;
  }
  return { colours, marks, order: ordered(model, visible, vivid) };
}

const mixed = new WeakMap<MapModel, Uint32Array>();

/** The points in an order that favours no layer: else the last one would cover the others. */
function mixedOrder(model: MapModel): Uint32Array {
  const known = mixed.get(model);
  if (known) return known;
  const order = model.living.slice();
  let seed = 1;
  for (let at = order.length - 1; at > 0; at--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((seed / 2 ** 32) * (at + 1));
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  mixed.set(model, order);
  return order;
}

/** Faded ones first, then what stands out, the hits on top. */
function ordered(model: MapModel, visible: Uint8Array, vivid: Uint8Array): Uint32Array {
  const counts = [0, 0, 0];
  const all = mixedOrder(model);
  for (const point of all) if (visible[point]) counts[vivid[point]!]!++;
  const at = [0, counts[0]!, counts[0]! + counts[1]!];
  const order = new Uint32Array(counts[0]! + counts[1]! + counts[2]!);
  for (const point of all) if (visible[point]) order[at[vivid[point]!]!++] = point;
  return order;
}
