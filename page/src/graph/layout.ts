/** Where every box and edge of the graph is drawn, as the server laid it out. */

import type { Graph, GraphLink, GraphNode } from "../data/types";

export type Way = "right" | "up"; // where the output is, seen from the input

const MARGIN = 16;

export interface Box {
  node: GraphNode;
  x: number;
  y: number;
  wide: number;
  high: number;
}
export interface Line {
  link: GraphLink;
  thick: number;
  strength: number; // |weight| by that of the strongest, in [0, 1]
  others: boolean; // to or from all that got no node of its own
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

export function layout({ nodes, links, layouts }: Graph, way: Way): Layout {
  const { width, height, box, ranks, lines } = layouts[way];
  const [wide, high] = box;
  const boxes = ranks.map((rank) => rank.map(({ node, x, y }) => ({ node: nodes[node]!, x, y, wide, high })));
  const names = boxes.map(([first]) => ({ layer: first!.node.layer, ...(way === "right" ? { x: first!.x, y: MARGIN + 12 } : { x: MARGIN, y: first!.y + high / 2 }) }));
  return { width, height, way, ranks: boxes, lines: lines.map((line) => ({ ...line, link: links[line.link]! })), names };
}

/** The scale at which all of a drawing is in view, at most 1 and no less than `least`. */
export function fitting(room: { width: number; height: number }, drawn: { width: number; height: number }, least: number): number {
  return Math.max(least, Math.min(1, room.width / drawn.width, room.height / drawn.height));
}

/** The middle of the output's box. */
export function outputAt({ ranks }: Pick<Layout, "ranks">): { x: number; y: number } | null {
  const box = ranks[ranks.length - 1]?.[0];
  return box ? { x: box.x + box.wide / 2, y: box.y + box.high / 2 } : null;
}
