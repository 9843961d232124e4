/** A requirement as it is written, and in words. semlens/analysis/audit/grammar.py reads the same lines; its word counts. */

import type { Quadrant, Verdict } from "../data/types";
import { QUADRANTS, amount, between, percent } from "./words";

export type Operator = "<=" | "<" | ">=" | ">";
export interface Requirement {
  figure: "relevance_mass" | "net_relevance" | "drivers" | "components" | "worst";
  quadrants: Quadrant[];
  operator: Operator;
  limit: number;
}

const NUMBER = "(\\d+(?:\\.\\d+)?|\\.\\d+) ?(%?)";
const BOUND = new RegExp(`^(relevance_mass|net_relevance|drivers|components) ?\\(([\\w +]+)\\) ?(<=|>=|<|>) ?${NUMBER}$`);
const WORST = new RegExp(`^no component with spurious > valid above relevance ${NUMBER}$`);
const ALIASES: Record<string, string> = { unexpected: "neither" };

const FIT: Record<Quadrant, string> = {
  valid: "valid concepts only",
  spurious: "spurious concepts only",
  both: "both valid and spurious concepts",
  neither: "no concept of the spec",
};
const BOUNDS: Record<Operator, string> = { "<=": "At most", "<": "Less than", ">=": "At least", ">": "More than" };

const number = (digits: string, sign: string) => Number(digits) / (sign ? 100 : 1);

/** What a line asks for; null for a line of no known form. */
export function parseRequirement(text: string): Requirement | null {
  const line = text.trim().replace(/\s+/g, " ");
  const worst = WORST.exec(line);
  if (worst) return { figure: "worst", quadrants: [], operator: "<=", limit: number(worst[1]!, worst[2]!) };
  const bound = BOUND.exec(line);
  if (!bound) return null;
  const names = bound[2]!.split("+").map((name) => ALIASES[name.trim()] ?? name.trim());
  const sides = bound[1] === "drivers" || bound[1] === "net_relevance"; // which know no quadrant but these
  const known = sides ? ["valid", "spurious"] : (QUADRANTS as string[]);
  if (!names.every((name) => known.includes(name))) return null;
  return {
    figure: bound[1] as Requirement["figure"],
    quadrants: [...new Set(names)] as Quadrant[],
    operator: bound[3] as Operator,
    limit: number(bound[4]!, bound[5]!),
  };
}

/** Whether it limits a share of relevance, not a number of components. */
export function isShare(asked: Requirement): boolean {
  return asked.figure !== "components";
}

/** The limit, as it was written. */
export function limitOf(asked: Requirement): string {
  return isShare(asked) ? `${Number((100 * asked.limit).toPrecision(6))}\u00a0%` : String(asked.limit);
}

/** What it asks for, as a sentence without its full stop. */
export function inWords(asked: Requirement, output: string): string {
  if (asked.figure === "worst")
    return `No component that fits a spurious concept better than any valid one has more than ${limitOf(asked)} of what speaks for it in its layer`;
  const sides = asked.quadrants.map((name) => FIT[name]).join(" or ");
  const bound = `${BOUNDS[asked.operator]} ${limitOf(asked)}`;
  if (asked.figure === "components") return `${bound} components fit ${sides}`;
  const concepts = asked.quadrants.map((name) => `${name} concepts`).join(" or ");
  if (asked.figure === "drivers") return `${bound} of all that drives “${output}”, for it or against it, is ${concepts}`;
  if (asked.figure === "net_relevance")
    return `${bound} of what speaks for “${output}” goes through ${concepts}, less what speaks against it, concept by concept`;
  return `${bound} of what speaks for “${output}” goes through components that fit ${sides}`;
}

/** A value with as many digits as tell it from the limit. */
export function figureOf(value: number | null, asked: Requirement): string {
  if (!isShare(asked)) return amount(value);
  for (const digits of [1, 2, 3]) if (percent(value, digits) !== percent(asked.limit, digits)) return percent(value, digits);
  return percent(value);
}

/** A verdict's interval. */
export function spreadOf(verdict: Verdict, asked: Requirement): string {
  return isShare(asked) ? between(verdict.low, verdict.high) : `${amount(verdict.low)} to ${amount(verdict.high)}`;
}

export function holds(value: number | null, asked: Requirement): boolean {
  if (value === null) return false;
  if (asked.operator === "<=") return value <= asked.limit;
  if (asked.operator === "<") return value < asked.limit;
  return asked.operator === ">=" ? value >= asked.limit : value > asked.limit;
}
