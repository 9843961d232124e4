/** Where everything of the activation chart lies. The edges come on a logarithmic scale, so bins are drawn equally wide. */

import type { Component } from "../data/types";
import { counted, grouped, short } from "../ui/words";

const APART = 12; // pixels between the bin of about zero and the others
const ZERO = 22; // pixels of that bin

export interface Drawn {
  bars: { x: number; width: number; height: number; zero: boolean; says: string }[]; // height: part of the room
  marks: number[]; // x of each example
  ticks: { x: number; text: string; anchor: "start" | "middle" | "end" }[];
  zero: { x: number; text: string } | null;
  axis: string;
  says: string;
}

export function layOut(found: Component, wide: number): Drawn | null {
  if (found.histogram) return binned(found, found.histogram, wide);
  return found.examples.length ? plain(found, wide) : null;
}

/** Without a histogram: where the examples lie between the lowest activation and the highest. */
function plain(found: Component, wide: number): Drawn {
  const values = found.examples.map((one) => one.activation);
  const low = Math.min(found.lowest ?? 0, ...values);
  const high = Math.max(...values);
  const at = (value: number) => 1 + ((wide - 2) * (value - low)) / (high - low || 1);
  return {
    bars: [],
    marks: values.map(at),
    ticks: ends(low, high, 0, wide),
    zero: null,
    axis: "activation, from the lowest of all images",
    says: `Its examples have activations from ${short(Math.min(...values))} to ${short(high)}; the lowest of all images is ${short(found.lowest)}.`,
  };
}

function binned(found: Component, { edges, counts }: { edges: number[]; counts: number[] }, wide: number): Drawn {
  const zero = counts.findIndex((_, at) => edges[at]! <= 0 && edges[at + 1]! > 0);
  const others = counts.length - (zero < 0 ? 0 : 1);
  const room = wide - (zero < 0 ? 0 : ZERO + APART * (zero > 0 ? 2 : 1));
  const step = room / Math.max(1, others);
  const starts: number[] = [];
  let x = 0;
  for (let at = 0; at < counts.length; at++) {
    if (at === zero && at > 0) x += APART;
    starts.push(x);
    x += at === zero ? ZERO + APART : step;
  }
  const top = Math.max(1, ...counts.filter((_, at) => at !== zero));
  const bars = counts.map((count, at) => ({
    x: starts[at]! + 0.5,
    width: (at === zero ? ZERO : step) - 1,
    height: count ? Math.max(0.015, Math.min(1, count / top)) : 0,
    zero: at === zero,
    says: `${counted(count, "image")} from ${short(edges[at])} to ${short(edges[at + 1])}`,
  }));
  const place = (value: number) => placed(value, edges, starts, (at) => (at === zero ? ZERO : step));
  const firing = zero < 0 ? 0 : zero + 1;
  return {
    bars,
    marks: found.examples.map((one) => place(one.activation)),
    ticks: firing < counts.length ? ends(edges[firing]!, edges[edges.length - 1]!, starts[firing]!, wide) : [],
    zero: zero < 0 ? null : { x: starts[zero]!, text: grouped(counts[zero]!) },
    axis: "activation",
    says: `Histogram of activation over ${counted(found.images, "image")}, from ${short(edges[0])} to ${short(edges[edges.length - 1])}${zero < 0 ? "" : `; ${counted(counts[zero]!, "image")} about zero`}.`,
  };
}

/** Where a value lies: in its bin, by its logarithm. */
function placed(value: number, edges: number[], starts: number[], width: (at: number) => number): number {
  let at = edges.findIndex((edge) => edge > value) - 1;
  if (at < 0) at = value < edges[0]! ? 0 : starts.length - 1;
  const [low, high] = [edges[at]!, edges[at + 1]!];
  const part = low > 0 ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return starts[at]! + width(at) * Math.min(1, Math.max(0, part));
}

function ends(low: number, high: number, start: number, end: number): Drawn["ticks"] {
  const middle = low > 0 ? Math.sqrt(low * high) : (low + high) / 2;
  return [
    { x: start, text: short(low), anchor: "start" as const },
    { x: start + (end - start) / 2, text: short(Number(middle.toPrecision(2))), anchor: "middle" as const },
    { x: end, text: short(high), anchor: "end" as const },
  ];
}
