/** Matches in both directions as pairs: a component of A beside one of B, once, whoever found whom. */

import type { Comparison } from "../data/types";

export type Show = "all" | "shared" | "a" | "b"; // all pairs, shared ones, what is unique to one side

export interface Pair {
  a: number; // row in A's index
  b: number;
  similarity: number;
  nearest: "both" | "a" | "b"; // for whom the other is the most similar there is
  shared: { a: boolean | null; b: boolean | null }; // whether it is more than chance finds; null: somebody else is nearer
  q: number | null; // the smaller of the two
}

/** The most similar first. */
export function pairsOf({ matches }: Comparison): Pair[] {
  const found = new Map<string, Pair>();
  for (const { from, row, match, similarity, shared, q_value } of matches) {
    const [a, b] = from === 0 ? [row, match] : [match, row];
    const side = from === 0 ? "a" : "b";
    const key = `${a} ${b}`;
    const known = found.get(key);
    if (known) {
      known.nearest = "both";
      known.shared[side] = shared;
      known.q = Math.min(known.q ?? Infinity, q_value ?? Infinity);
    } else {
      found.set(key, { a, b, similarity, nearest: side, shared: { a: null, b: null, [side]: shared }, q: q_value });
    }
  }
  return [...found.values()].sort((one, other) => other.similarity - one.similarity || one.a - other.a || one.b - other.b);
}

export function belongs(pair: Pair, show: Show): boolean {
  if (show === "all") return true;
  if (show === "shared") return pair.shared.a === true || pair.shared.b === true;
  return pair.shared[show] === false;
}

/** How many components of a side have a match that is more than chance, and how many have none. */
export function counts({ matches }: Comparison, from: number): { shared: number; unique: number } {
  const mine = matches.filter((one) => one.from === from);
  const shared = mine.filter((one) => one.shared).length;
  return { shared, unique: mine.length - shared };
}
