/** The figures of an audit counted again from its rows, with the reader's thresholds in place of chance's. What is
 *  drawn anew (intervals, and with them whether a verdict is sure) takes the index and stays the server's. */

import type { Audit, AuditRow, ConceptMass, Quadrant } from "../data/types";
import { type Requirement, holds } from "./requirement";
import { QUADRANTS } from "./words";

/** A common threshold in place of every component's own; null: chance's. */
export interface Moved {
  valid: number | null;
  spurious: number | null;
}

export const CHANCE: Moved = { valid: null, spurious: null };
export const isMoved = (moved: Moved) => moved.valid !== null || moved.spurious !== null;

export interface Share {
  layer: string;
  quadrant: Quadrant;
  components: number;
  relevance: number | null; // part in [0, 1] of the layer's; null: not known, for nothing in the layer is relevant
}

/** An audit as one pair of thresholds sees it. */
export interface Counted {
  audit: Audit;
  moved: Moved;
  quadrant: Uint8Array; // of each row, as a number of QUADRANTS
  offends: Uint8Array; // 1: it fits spurious concepts, and better than any valid one
  shares: Share[]; // layer by layer, in the order of QUADRANTS
  concepts: ConceptMass[];
}

/** What a component has to exceed; infinite where chance's threshold is. */
export function needed(row: AuditRow, side: "valid" | "spurious", moved: Moved): number {
  return moved[side] ?? (side === "valid" ? row.valid_critical : row.spurious_critical) ?? Infinity;
}

export function layerOf(row: AuditRow): string {
  return row.component.slice(0, row.component.lastIndexOf(":"));
}

/** Numbers in place of the names of an audit's rows, so that counting again keeps up with a hand that drags. */
interface Numbered {
  layer: Int32Array; // of each row, in audit.layers
  valid: Int32Array; // its best valid concept in audit.concepts; -1 if it is not there
  spurious: Int32Array;
}

const numbered = new WeakMap<Audit, Numbered>();

function numbersOf(audit: Audit): Numbered {
  const known = numbered.get(audit);
  if (known) return known;
  const key = (layer: string, side: string, concept: string) => `${layer}\n${side}\n${concept}`;
  const layers = new Map(audit.layers.map((layer, at) => [layer, at]));
  const concepts = new Map(audit.concepts.map((one, at) => [key(one.layer, one.side, one.concept), at]));
  const found = {
    layer: Int32Array.from(audit.rows, (row) => layers.get(layerOf(row))!),
    valid: Int32Array.from(audit.rows, (row) => concepts.get(key(layerOf(row), "valid", row.valid_concept)) ?? -1),
    spurious: Int32Array.from(audit.rows, (row) => concepts.get(key(layerOf(row), "spurious", row.spurious_concept)) ?? -1),
  };
  numbered.set(audit, found);
  return found;
}

/** Where the rows of a layer stand in the answer, the most relevant first. */
export function ofLayer(audit: Audit, layer: string): Int32Array {
  const number = audit.layers.indexOf(layer);
  const of = numbersOf(audit).layer;
  return Int32Array.from(of.keys()).filter((at) => of[at] === number);
}

/** Where it stands: fits neither, valid, spurious, both, in this order of the two bits. */
const STANDS = [3, 0, 1, 2];

export function recount(audit: Audit, moved: Moved): Counted {
  const quadrant = new Uint8Array(audit.rows.length);
  const offends = new Uint8Array(audit.rows.length);
  audit.rows.forEach((row, at) => {
    quadrant[at] = isMoved(moved) ? stands(row, moved) : QUADRANTS.indexOf(row.quadrant);
    offends[at] = Number((quadrant[at] === 1 || quadrant[at] === 2) && row.spurious > row.valid);
  });
  const counted = { audit, moved, quadrant, offends };
  return { ...counted, shares: shares(audit, quadrant), concepts: isMoved(moved) ? concepts(audit, quadrant) : audit.concepts };
}

function stands(row: AuditRow, moved: Moved): number {
  const valid = row.valid > needed(row, "valid", moved);
  const spurious = row.spurious > needed(row, "spurious", moved);
  return STANDS[Number(valid) + 2 * Number(spurious)]!;
}

function shares(audit: Audit, quadrant: Uint8Array): Share[] {
  const found = audit.layers.flatMap((layer) => QUADRANTS.map((name) => ({ layer, quadrant: name, components: 0, relevance: 0 })));
  const { layer } = numbersOf(audit);
  audit.rows.forEach((row, at) => {
    const share = found[4 * layer[at]! + quadrant[at]!]!;
    share.components += 1;
    share.relevance += row.relevance;
  });
  const known = new Set(found.filter((one) => one.relevance > 0).map((one) => one.layer));
  return found.map((one) => (known.has(one.layer) ? one : { ...one, relevance: null }));
}

function concepts(audit: Audit, quadrant: Uint8Array): ConceptMass[] {
  const found = audit.concepts.map((one) => ({ ...one, components: 0, relevance: 0, against: 0 }));
  const best = numbersOf(audit);
  audit.rows.forEach((row, at) => {
    for (const side of fitted(quadrant[at]!)) {
      const one = found[best[side][at]!];
      if (!one) continue;
      one.components += 1;
      one.relevance += row.relevance;
      one.against += row.against;
    }
  });
  return found.sort((a, b) => b.relevance - a.relevance);
}

/** The sides that components of a quadrant fit. */
export const fitted = (quadrant: number) => FITTED[quadrant]!;
const FITTED = [["valid"], ["spurious"], ["valid", "spurious"], []] as const;

/** A requirement's value, in the layer where it is furthest from being met; exact, but without an interval. Relevance
 *  that is not known meets none. */
export function valueOf(counted: Counted, asked: Requirement): { value: number | null; layer: string; met: boolean } {
  const sign = asked.operator.startsWith("<") ? 1 : -1;
  const values = counted.audit.layers.map((layer, number) => ({ layer, value: inLayer(counted, asked, number) }));
  const distance = (value: number | null) => (value === null ? Infinity : sign * value);
  const worst = values.reduce((most, one) => (distance(one.value) > distance(most.value) ? one : most));
  return { ...worst, met: holds(worst.value, asked) };
}

function inLayer({ audit, offends, shares }: Counted, asked: Requirement, number: number): number | null {
  const quadrants = shares.slice(4 * number, 4 * number + 4);
  if (asked.figure !== "components" && quadrants.some((one) => one.relevance === null)) return null;
  if (asked.figure === "worst") {
    const { layer } = numbersOf(audit);
    const worst = audit.rows.findIndex((_, at) => offends[at] && layer[at] === number); // the most relevant come first
    return worst < 0 ? 0 : audit.rows[worst]!.relevance;
  }
  const counted = quadrants.filter((one) => asked.quadrants.includes(one.quadrant));
  return counted.reduce((sum, one) => sum + (asked.figure === "components" ? one.components : one.relevance!), 0);
}
