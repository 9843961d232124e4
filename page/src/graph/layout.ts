/** Where every box and edge of the graph is drawn. */

import type { Graph, GraphLink, GraphNode } from "../data/types";
import { ordered } from "./order";

export type Way = "right" | "up"; // where the output is, seen from the input

export const WIDE = 216; // of a box, in pixels
export const HIGH = 92;
const SIDE = 16; // between boxes of a layer
const ALONG = { right: 120, up: 100 }; // between layers: where the edges run
const APART = 32; // between layers that no edge joins
const NAMES = { right: 34, up: 112 }; // what the layers' names take
const EDGE = 16; // margin
const THICK = 18; // the strongest edge

export interface Box {
  node: GraphNode;
  x: number;
  y: number;
}
export interface Line {
  link: GraphLink;
  thick: number;
  strength: number; // |weight| by that of the strongest, in [0, 1]
  path: string;
}
export interface LayerName {
  layer: string;
  x: number;
  y: number;
}
export interface Layout {
  width: number;
  height: number;
  way: Way;
  ranks: Box[][]; // from the input on
  lines: Line[]; // the weakest first, so that the strongest lies on top
  names: LayerName[];
}

export function layout(graph: Graph, way: Way): Layout {
  const ranks = ordered(graph);
  const [across, along] = way === "right" ? [HIGH, WIDE] : [WIDE, HIGH];
  const widest = Math.max(...ranks.map((one) => one.length)) * (across + SIDE) - SIDE;
  const starts = [0];
  for (let at = 1; at < ranks.length; at++) starts.push(starts[at - 1]! + along + (joined(graph, ranks[at - 1]!, ranks[at]!) ? ALONG[way] : APART));
  const length = starts.at(-1)! + along;
  const width = way === "right" ? length + 2 * EDGE : widest + NAMES.up + 2 * EDGE;
  const height = way === "right" ? widest + NAMES.right + 2 * EDGE : length + 2 * EDGE;
  const boxes = ranks.map((rank, at) =>
    rank.map((node, place) => {
      const over = (widest - (rank.length * (across + SIDE) - SIDE)) / 2 + place * (across + SIDE);
      const on = way === "right" ? starts[at]! : length - along - starts[at]!;
      return way === "right" ? { node, x: EDGE + on, y: NAMES.right + EDGE + over } : { node, x: EDGE + NAMES.up + over, y: EDGE + on };
    }),
  );
  const names = boxes.map(([first], at) => (way === "right" ? { layer: ranks[at]![0]!.layer, x: first!.x, y: EDGE + 12 } : { layer: ranks[at]![0]!.layer, x: EDGE, y: first!.y + HIGH / 2 }));
  return { width, height, way, ranks: boxes, lines: lines(graph.links, boxes.flat(), way), names };
}

function joined(graph: Graph, lower: readonly GraphNode[], upper: readonly GraphNode[]): boolean {
  return graph.links.some(({ source, target }) => lower.some((one) => one.id === source) && upper.some((one) => one.id === target));
}

function lines(links: readonly GraphLink[], boxes: readonly Box[], way: Way): Line[] {
  const at = new Map(boxes.map((one) => [one.node.id, one]));
  const there = links.filter((one) => at.has(one.source) && at.has(one.target));
  const most = Math.max(...there.map((one) => Math.abs(one.weight)), 1e-12);
  const thick = (link: GraphLink) => 1.2 + (THICK * Math.abs(link.weight)) / most;
  const leave = ports(there, at, thick, way, "source");
  const enter = ports(there, at, thick, way, "target");
  return there
    .map((link) => {
      const [source, target] = [at.get(link.source)!, at.get(link.target)!];
      return { link, thick: thick(link), strength: Math.abs(link.weight) / most, path: curve(source, target, leave.get(link)!, enter.get(link)!, way) };
    })
    .sort((a, b) => a.strength - b.strength);
}

function curve(source: Box, target: Box, leave: number, enter: number, way: Way): string {
  const write = (...numbers: number[]) => numbers.map((one) => one.toFixed(1)).join(" ");
  if (way === "right") {
    const [from, to] = [source.x + WIDE, target.x];
    const middle = (from + to) / 2;
    return `M${write(from, leave)}C${write(middle, leave, middle, enter, to, enter)}`;
  }
  const [from, to] = [source.y, target.y + HIGH];
  const middle = (from + to) / 2;
  return `M${write(leave, from)}C${write(leave, middle, enter, middle, enter, to)}`;
}

/** Where on its box each edge begins, or ends: side by side, in the order of the boxes at the other end. */
function ports(links: readonly GraphLink[], boxes: ReadonlyMap<string, Box>, thick: (link: GraphLink) => number, way: Way, end: "source" | "target"): Map<GraphLink, number> {
  const found = new Map<GraphLink, number>();
  const other = end === "source" ? "target" : "source";
  const place = (box: Box) => (way === "right" ? box.y : box.x);
  const long = way === "right" ? HIGH : WIDE;
  for (const box of boxes.values()) {
    const mine = links.filter((one) => one[end] === box.node.id).sort((a, b) => place(boxes.get(a[other])!) - place(boxes.get(b[other])!));
    const span = mine.reduce((sum, one) => sum + thick(one) + 3, -3);
    const squeeze = Math.min(1, (long - 20) / Math.max(span, 1));
    let at = -span / 2;
    for (const link of mine) {
      found.set(link, place(box) + long / 2 + squeeze * (at + thick(link) / 2));
      at += thick(link) + 3;
    }
  }
  return found;
}
