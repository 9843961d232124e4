/** The figures of an audit counted again from its rows, with the reader's thresholds in place of chance's. What is
 *  drawn anew (intervals, and with them whether a verdict is sure) takes the index and stays the server's. */

import type { Audit, AuditRow, ConceptMass, Quadrant } from "../data/types";
import { type Requirement, holds, parseRequirement } from "./requirement";
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
const NEITHER = 3;

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
  const divided = audit.layers.map(() => 0); // what responds to nothing at all no side has a part of
  audit.rows.forEach((row, at) => {
    const first = 4 * layer[at]!;
    found[first + quadrant[at]!]!.components += 1;
    if (audit.by !== "encoding" || quadrant[at] === NEITHER) found[first + quadrant[at]!]!.relevance += row.relevance;
    if (audit.by !== "encoding" || row.spurious_share === null) return;
    divided[layer[at]!]! += row.relevance;
    found[first]!.relevance += row.relevance * (1 - row.spurious_share); // every component's is divided between the sides
    found[first + 1]!.relevance += row.relevance * row.spurious_share;
  });
  if (audit.by === "encoding") return found.map((one, at) => ofDivided(one, divided[at >> 2]!));
  const known = new Set(found.filter((one) => one.relevance > 0).map((one) => one.layer));
  return found.map((one) => (known.has(one.layer) ? one : { ...one, relevance: null }));
}

/** By encoding the sides have all that responds to something; what lies in components that fit neither stands beside. */
function ofDivided(one: Share & { relevance: number }, divided: number): Share {
  if (one.quadrant === "both" || one.quadrant === "neither") return one;
  return { ...one, relevance: divided > 0 ? one.relevance / divided : null };
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
  if (asked.figure === "drivers" || (asked.figure === "net_relevance" && counted.audit.by === "encoding")) return fixed(counted.audit, asked);
  const sign = asked.operator.startsWith("<") ? 1 : -1;
  const values = counted.audit.layers.map((layer, number) => ({ layer, value: inLayer(counted, asked, number) }));
  const distance = (value: number | null) => (value === null ? Infinity : sign * value);
  const worst = values.reduce((most, one) => (distance(one.value) > distance(most.value) ? one : most));
  return { ...worst, met: holds(worst.value, asked) };
}

/** A value that hangs on no threshold: as the server has it. */
function fixed(audit: Audit, asked: Requirement): { value: number | null; layer: string; met: boolean } {
  const own = audit.verdicts.find((one) => JSON.stringify(parseRequirement(one.requirement)) === JSON.stringify(asked));
  return { value: own?.value ?? null, layer: own?.layer ?? "", met: holds(own?.value ?? null, asked) };
}

/** What speaks for the output through the concepts of a side in a layer, less what speaks against it, concept by concept:
 *  one that speaks against it on the whole does not make up for another. */
function net({ audit, quadrant }: Counted, side: "valid" | "spurious", number: number): number {
  const { layer } = numbersOf(audit);
  const balance = new Map<string, number>();
  audit.rows.forEach((row, at) => {
    if (layer[at] !== number || !(fitted(quadrant[at]!) as readonly string[]).includes(side)) return;
    const concept = row[`${side}_concept`];
    balance.set(concept, (balance.get(concept) ?? 0) + row.relevance - row.against);
  });
  return [...balance.values()].reduce((sum, one) => sum + Math.max(one, 0), 0);
}

function inLayer(counted: Counted, asked: Requirement, number: number): number | null {
  const { audit, offends, shares } = counted;
  const quadrants = shares.slice(4 * number, 4 * number + 4);
  if (asked.figure !== "components" && quadrants.some((one) => one.relevance === null)) return null;
  if (asked.figure === "worst") {
    const { layer } = numbersOf(audit);
    return audit.rows.reduce((most, row, at) => (offends[at] && layer[at] === number ? Math.max(most, row.relevance * (row.spurious_share ?? 1)) : most), 0);
  }
  if (asked.figure === "net_relevance")
    return asked.quadrants.reduce((sum, side) => sum + net(counted, side as "valid" | "spurious", number), 0);
  const chosen = quadrants.filter((one) => asked.quadrants.includes(one.quadrant));
  return chosen.reduce((sum, one) => sum + (asked.figure === "components" ? one.components : one.relevance!), 0);
}
