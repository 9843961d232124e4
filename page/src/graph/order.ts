/** The order of the nodes in each layer, so that strong edges cross little. As semlens/plot/graph.py does it. */

import type { Graph, GraphLink, GraphNode } from "../data/types";

const SWEEPS = 12; // times that every layer is ordered anew, to and fro

/** The nodes of every layer, from the input on; the output is the last. The others stand at the end of theirs. */
export function ordered(graph: Graph): GraphNode[][] {
  let ranks = [...graph.layers, ""].map((layer) => graph.nodes.filter((one) => one.layer === layer)).filter((one) => one.length);
  let best = ranks;
  let least = crossings(ranks, graph.links);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    ranks = swept(ranks, graph.links, sweep % 2 === 1);
    const crossed = crossings(ranks, graph.links);
    if (crossed < least) [best, least] = [ranks, crossed];
  }
  return best;
}

/** Each layer after its neighbour: by the mean place of what each node is joined to there. */
function swept(ranks: GraphNode[][], links: readonly GraphLink[], onward: boolean): GraphNode[][] {
  const found = ranks.map((one) => [...one]);
  const turns = found.map((_, at) => at).slice(onward ? 1 : 0, onward ? undefined : -1);
  for (const at of onward ? turns : turns.reverse()) {
    const place = places(found[onward ? at - 1 : at + 1]!);
    const own = places(found[at]!);
    const sums = new Map(found[at]!.map((one) => [one.id, { total: 0, mass: 0 }]));
    for (const { source, target, weight } of links) {
      const sum = sums.get(onward ? target : source);
      const there = place.get(onward ? source : target);
      if (!sum || there === undefined) continue;
      sum.total += Math.abs(weight) * there;
      sum.mass += Math.abs(weight);
    }
    const mean = (one: GraphNode) => {
      const { total, mass } = sums.get(one.id)!;
      return mass ? total / mass : own.get(one.id)!;
    };
    found[at]!.sort((a, b) => Number(a.others) - Number(b.others) || mean(a) - mean(b));
  }
  return found;
}

/** Where each node of a layer stands, in steps from the middle. */
function places(rank: readonly GraphNode[]): Map<string, number> {
  return new Map(rank.map((one, at) => [one.id, at - (rank.length - 1) / 2]));
}

/** The sum over every two edges that cross of the lesser one's |weight|. */
export function crossings(ranks: readonly GraphNode[][], links: readonly GraphLink[]): number {
  let total = 0;
  for (let at = 0; at + 1 < ranks.length; at++) {
    const below = places(ranks[at]!);
    const above = places(ranks[at + 1]!);
    const here = links.filter((one) => below.has(one.source) && above.has(one.target)).map((one) => [below.get(one.source)!, above.get(one.target)!, Math.abs(one.weight)] as const);
    for (const [start, end, weight] of here) {
      for (const [other, far, also] of here) if (start < other && end > far) total += Math.min(weight, also);
    }
  }
  return total;
}
