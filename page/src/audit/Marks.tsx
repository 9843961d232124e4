/** Marks and small charts. Lengths along a bar are per cent, so that a chart is as wide as its place and its text stays. */

import type { Quadrant } from "../data/types";
import { NAMES, QUADRANTS, SHORT, percent } from "./words";
import type { Share } from "./recount";

/** A quadrant's outline, as large as a circle of the radius: no two quadrants have the same. */
export function outline(quadrant: Quadrant, x: number, y: number, radius: number): string {
  const n = (value: number) => value.toFixed(1);
  if (quadrant === "spurious") {
    const s = radius * Math.sqrt(Math.PI / 2);
    return `M${n(x)} ${n(y - s)}l${n(s)} ${n(s)}l${n(-s)} ${n(s)}l${n(-s)} ${n(-s)}z`;
  }
  if (quadrant === "both") {
    const s = (radius * Math.sqrt(Math.PI)) / 2;
    return `M${n(x - s)} ${n(y - s)}h${n(2 * s)}v${n(2 * s)}h${n(-2 * s)}z`;
  }
  const r = n(radius);
  const wide = n(2 * Number(r)); // so that the halves of the circle meet
  return `M${n(x - Number(r))} ${n(y)}a${r} ${r} 0 1 0 ${wide} 0a${r} ${r} 0 1 0 -${wide} 0z`;
}

/** A quadrant's mark in a line of text. */
export function Key({ of }: { of: Quadrant }) {
  return (
    <svg class="key" viewBox="0 0 16 16" aria-hidden="true">
      <path class={`dot ${of}`} d={outline(of, 8, 8, 5)} />
    </svg>
  );
}

export type Kind = "good" | "bad" | "untold";
const SIGNS: Record<Kind, [string, string]> = {
  good: ["M12 1.5a10.5 10.5 0 1 0 .01 0z", "M6.8 12.4l3.6 3.6l7-7.6"],
  bad: ["M7.5 1.5h9l6 6v9l-6 6h-9l-6-6v-9z", "M8 8l8 8M16 8l-8 8"],
  untold: ["M12 1l11 11l-11 11l-11-11z", "M9.2 9.3a2.8 2.8 0 1 1 4.2 2.5c-1 .6-1.4 1.1-1.4 2.2M12 17.2v.2"],
};

/** A tick in a circle, a cross in an octagon, or a question mark in a diamond. */
export function Sign({ kind }: { kind: Kind }) {
  const [plate, stroke] = SIGNS[kind];
  return (
    <svg class={`sign ${kind}`} viewBox="0 0 24 24" aria-hidden="true">
      <path class="plate" d={plate} />
      <path class="stroke" d={stroke} />
    </svg>
  );
}

/** An effect and its interval on a scale from -top to top, with 0 in the middle. */
export function Effect({ value, low, high, top }: { value: number; low: number; high: number; top: number }) {
  const at = (one: number) => place((Math.min(Math.max(one, -top), top) / top + 1) / 2);
  const said = [value, low, high].map((one) => one.toFixed(2));
  return (
    <svg class="interval" role="img" aria-label={`${said[0]}, from ${said[1]} to ${said[2]}`}>
      <rect class="track" x={0} y={5} width="100%" height={14} />
      <line class="zero" x1="50%" x2="50%" y1={0} y2={24} />
      <line class="reach effect" x1={at(low)} x2={at(high)} y1={12} y2={12} />
      <line class="value effect" x1={at(value)} x2={at(value)} y1={4} y2={20} />
    </svg>
  );
}

const place = (share: number) => `${(100 * share).toFixed(2)}%`;
const ROOM = 0.14; // of the bar's length, for a segment to hold its own name
const PHONE = 0.45; // ... on a phone

/** The relevance of a layer by quadrant as one bar. */
export function Stacked({ shares }: { shares: Share[] }) {
  let at = 0;
  const drawn = shares.flatMap(({ quadrant, relevance }) => (relevance ? [{ quadrant, relevance }] : []));
  return (
    <svg class="stacked" role="img" aria-label={shares.map((one) => `${NAMES[one.quadrant]} ${percent(one.relevance)}`).join(", ")}>
      {drawn.map((one) => {
        const start = at;
        at += one.relevance;
        return <rect key={one.quadrant} class={`fill ${one.quadrant}`} x={place(start)} y="0" width={place(one.relevance)} height="34" />;
      })}
      {drawn.map((one, number) => {
        const start = drawn.slice(0, number).reduce((sum, before) => sum + before.relevance, 0);
        if (one.relevance < ROOM) return null;
        return (
          <text key={one.quadrant} class={one.relevance < PHONE ? "narrow" : undefined} x={place(start + one.relevance / 2)} y="22">
            {SHORT[one.quadrant]} {percent(one.relevance, 0)}
          </text>
        );
      })}
    </svg>
  );
}

export interface IntervalProps {
  value: number | null;
  low: number | null;
  high: number | null;
  top: number;
  kind: string; // a quadrant, "met" or "unmet"
  words: string; // what the chart says, for those who do not see it
  allowed?: [number, number]; // where a requirement is met
  yours?: number | null; // the value by the reader's own thresholds
}

/** A value and its interval on a scale from 0 to `top`. */
export function Interval({ value, low, high, top, kind, words, allowed, yours = null }: IntervalProps) {
  const on = (end: number) => Math.min(Math.max(end, 0), top) / top;
  const edge = allowed && (allowed[0] <= 0 ? on(allowed[1]) : on(allowed[0]));
  const known = value !== null && low !== null && high !== null;
  return (
    <svg class="interval" role="img" aria-label={words}>
      <rect class="rail" x="0" y="5" width="100%" height="14" />
      {allowed && <rect class="allowed" x={place(on(allowed[0]))} y="5" width={place(on(allowed[1]) - on(allowed[0]))} height="14" />}
      {edge !== undefined && <line class="limit" x1={place(edge)} x2={place(edge)} y1="0" y2="24" />}
      {known && <line class={`reach ${kind}`} x1={place(on(low))} x2={place(on(high))} y1="12" y2="12" />}
      {known && <line class={`value ${kind}`} x1={place(on(value))} x2={place(on(value))} y1="4" y2="20" />}
      {yours !== null && <circle class="yours" cx={place(on(yours))} cy="12" r="5" />}
    </svg>
  );
}

/** Relevance for and against, as two bars on a scale from 0 to `top`. */
export function Bars({ relevance, against, top, kind }: { relevance: number; against: number; top: number; kind: Quadrant }) {
  const bars = [
    [kind, relevance / (top || 1), 1],
    ["against", against / (top || 1), 10],
  ] as const;
  return (
    <svg class="two-bars" aria-hidden="true">
      {bars.map(([look, length, y]) => length > 0.002 && <rect key={look} class={`fill ${look}`} x="0" y={y} width={place(Math.min(length, 1))} height="7" />)}
    </svg>
  );
}

/** What the marks mean. */
export function Legend() {
  return (
    <p class="legend">
      {QUADRANTS.map((name) => (
        <span key={name}>
          <Key of={name} /> fits {NAMES[name]}
        </span>
      ))}
    </p>
  );
}
