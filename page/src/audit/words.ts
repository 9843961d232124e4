/** The figures of an audit in words and numbers that a person reads; the HTML report says them the same way. */

import type { Quadrant } from "../data/types";

export const QUADRANTS: readonly Quadrant[] = ["valid", "spurious", "both", "neither"];

/** What the page calls the quadrants. */
export const NAMES: Record<Quadrant, string> = {
  valid: "valid only",
  spurious: "spurious only",
  both: "both valid and spurious",
  neither: "neither",
};
/** The same where there is little room. */
export const SHORT: Record<Quadrant, string> = { ...NAMES, both: "both" };

const known = (value: number | null): value is number => value !== null && Number.isFinite(value);

/** A share as per cent. */
export function percent(share: number | null, digits = 1): string {
  return known(share) ? `${(100 * share).toFixed(digits)}\u00a0%` : "not known";
}

/** An interval of shares as per cent. */
export function between(low: number | null, high: number | null, digits = 1): string {
  return known(low) && known(high) ? `${(100 * low).toFixed(digits)} to ${percent(high, digits)}` : "not known";
}

/** An alignment: standard deviations of chance. */
export function deviations(alignment: number | null): string {
  if (!known(alignment)) return "none";
  return alignment.toFixed(1).replace("-0.0", "0.0").replace("-", "\u2212");
}

/** What an alignment has to exceed. */
export function threshold(needed: number | null): string {
  return known(needed) ? `needs ${deviations(needed)}` : "no alignment is enough: too few random components";
}

/** A p-value. */
export function chance(p: number | null): string {
  return known(p) ? `p\u00a0=\u00a0${Number(p.toPrecision(2))}` : "p not known";
}

/** A number of things. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en-GB")} ${noun}${number === 1 ? "" : "s"}`;
}

/** A count, or the middle of two. */
export function amount(value: number | null): string {
  return known(value) ? value.toLocaleString("en-GB", { maximumFractionDigits: 1 }) : "not known";
}

/** A text that others chose, on one line and not too long. */
export function line(text: string, letters = 120): string {
  const flat = text.trim().replace(/\s+/g, " ");
  return flat.length > letters ? `${flat.slice(0, letters - 1)}…` : flat;
}
