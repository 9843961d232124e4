/** Which components a list of the audit holds, by the thresholds in force and the reader's filters. */

import type { Indexed } from "../data/indexed";
import type { Tag } from "../data/types";
import { conceptKey } from "./ConceptTable";
import { type Counted, fitted } from "./recount";
import { QUADRANTS } from "./words";

export type List = "offenders" | "right" | "neither" | "both";

export const LISTS: { list: List; name: string; says: string }[] = [
  { list: "offenders", name: "What should not matter", says: "They fit a spurious concept, and better than any valid one. The most relevant first." },
  { list: "right", name: "What is right", says: "They fit valid concepts only. The most relevant first." },
  { list: "neither", name: "Fits neither", says: "They fit no concept of the spec more than chance does: neither cleared nor accused. Look at the pictures; if they show something, add it to the spec." },
  { list: "both", name: "Fits both", says: "They fit a valid concept and a spurious one. The most relevant first." },
];

/** Where the components of a list stand in the answer, the most relevant first. */
export function members(counted: Counted, list: List): number[] {
  const { rows } = counted.audit;
  const found: number[] = [];
  for (let at = 0; at < rows.length; at++) {
    const quadrant = QUADRANTS[counted.quadrant[at]!];
    if (list === "offenders" ? counted.offends[at] : list === "right" ? quadrant === "valid" : quadrant === list) found.push(at);
  }
  return found;
}

export type Judged = "all" | "open" | Tag;

/** Those of them that the reader wants to see. */
export function narrowed(counted: Counted, at: number[], index: Indexed, kept: Uint8Array, concept: string | null, judged: Judged): number[] {
  return at.filter((one) => {
    const row = counted.audit.rows[one]!;
    if (!kept[row.row]) return false;
    const tag = index.tag(row.row);
    if (judged !== "all" && (judged === "open" ? tag : tag !== judged)) return false;
    if (!concept) return true;
    return fitted(counted.quadrant[one]!).some((side) => conceptKey(side, row[`${side}_concept`]) === concept);
  });
}
