/** What the colours of the points mean: groups, or a value between low and high. */

import { type LabelColumns } from "../data/indexed";
import { valueOf } from "../data/load";
import type { Store } from "../data/store";
import type { Measure } from "../data/types";
import type { MapModel } from "./model";

export const COLOURS = ["cluster", "layer", "label", "tag", "clarity", "polysemanticity", "redundancy", "relevance", "query"] as const;
export type ColourBy = (typeof COLOURS)[number];

export interface Group {
  name: string;
  count: number; // living components
  plain?: boolean; // drawn in grey: what belongs to no group
}

export interface Groups {
  kind: "groups";
  of: Int32Array; // a point's group, -1: dead
  groups: Group[];
  note?: string;
}

export interface Values {
  kind: "values";
  of: Float32Array; // a point's value, NaN: none
  name: string;
  low: number; // colours run from here
  high: number; // to here; what lies beyond has the last colour
  least: number;
  most: number;
  none: number; // living components without a value
  mark?: { at: number; says: string };
}

export type Colouring = Groups | Values | { kind: "none"; why: string };

const MOST_LABELS = 20;

export const NAMES: Record<ColourBy, string> = {
  cluster: "cluster",
  layer: "layer",
  label: "label",
  tag: "your tag",
  clarity: "clarity",
  polysemanticity: "polysemanticity",
  redundancy: "redundancy",
  relevance: "class relevance",
  query: "search",
};

export const SAYS: Record<ColourBy, string> = {
  cluster: "Groups found by what the components mean or respond to, not by where they lie on the map",
  layer: "The layer of the model that a component belongs to",
  label: "The most frequent labels: the phrases that fit best",
  tag: "How you judged a component: valid, spurious or unsure",
  clarity: "How alike a component's strongest examples are: high is one clear concept",
  polysemanticity: "How far a component's examples fall into two different meanings: high is two",
  redundancy: "How near the most similar other component of the layer is: high is a double",
  relevance: "Mean share of what speaks for the class that comes from the component",
  query: "Effect of what is searched for, or cosine similarity to it",
};

/** Which way to colour: as asked for, else by the search if there is one, else by cluster. */
export function colourBy(store: Store): ColourBy {
  const asked = store.param("color") as ColourBy;
  return COLOURS.includes(asked) ? asked : store.query.value ? "query" : "cluster";
}

/** The meaning of each point's colour. */
export function colouring(store: Store, model: MapModel, by: ColourBy): Colouring {
  switch (by) {
    case "cluster":
      return byCluster(model, clusterNames(model));
    case "layer":
      return byLayer(model);
    case "label":
      return byLabel(model);
    case "tag":
      return byTag(model);
    case "relevance":
      return byRelevance(store, model);
    case "query":
      return byQuery(store, model);
    default:
      return byMeasure(model, by);
  }
}

function dead(model: MapModel, point: number): boolean {
  return model.cluster[point]! < 0;
}

function counted(of: Int32Array, groups: { name: string; plain?: boolean }[]): Groups {
  const counts = new Int32Array(groups.length);
  for (const group of of) if (group >= 0) counts[group]!++;
  return { kind: "groups", of, groups: groups.map((one, at) => ({ ...one, count: counts[at]! })) };
}

function byCluster(model: MapModel, names: string[]): Groups {
  const groups = names.map((name, at) => ({ name: name || `Cluster ${at + 1}` }));
  return counted(model.cluster, groups);
}

/** What the clusters are called: by the server, else after the most frequent label within; empty if neither is known. */
export function clusterNames(model: MapModel): string[] {
  const count = Math.max(model.names.length, ...model.cluster.reduce((most, one) => (one >= most[0]! ? [one + 1] : most), [0]));
  const names = Array.from({ length: count }, (_, at) => model.names[at] ?? "");
  if (names.every(Boolean)) return names;
  const votes = names.map(() => new Map<string, number>());
  for (const { index, start } of model.parts) {
    const labels = valueOf(index.labels.value);
    if (!labels) continue;
    for (let row = 0; row < index.count; row++) {
      const cluster = model.cluster[start + row]!;
      const at = labels.label[row]!;
      if (cluster >= 0 && at >= 0) votes[cluster]!.set(labels.phrases[at]!, (votes[cluster]!.get(labels.phrases[at]!) ?? 0) + 1);
    }
  }
  return names.map((name, at) => name || ([...votes[at]!].sort((a, b) => b[1] - a[1])[0]?.[0] ?? ""));
}

function byLayer(model: MapModel): Groups {
  const names = [...new Set(model.parts.flatMap(({ index }) => index.info.layers.map((one) => one.layer)))];
  const number = new Map(names.map((name, at) => [name, at]));
  const of = new Int32Array(model.count).fill(-1);
  for (const { index, start } of model.parts) {
    const groups = index.info.layers.map(({ layer }) => number.get(layer)!);
    for (let row = 0; row < index.count; row++) if (!dead(model, start + row)) of[start + row] = groups[index.base.layer[row]!]!;
  }
  return counted(of, names.map((name) => ({ name })));
}

function eachLabel(model: MapModel, take: (point: number, phrase: string | null) => void): string | null {
  let why: string | null = null;
  for (const { index, start } of model.parts) {
    const found = index.labels.value;
    if (found.state === "absent") why = found.why;
    if (found.state === "loading") why = "The labels are being computed.";
    const labels: LabelColumns | undefined = valueOf(found);
    for (let row = 0; row < index.count; row++) {
      const at = labels ? labels.label[row]! : -1;
      if (!dead(model, start + row)) take(start + row, index.annotation(row)?.label || (at >= 0 ? labels!.phrases[at]! : null));
    }
  }
  return why;
}

function byLabel(model: MapModel): Colouring {
  const phrases: (string | null)[] = new Array(model.count);
  const votes = new Map<string, number>();
  const why = eachLabel(model, (point, phrase) => {
    phrases[point] = phrase;
    if (phrase) votes.set(phrase, (votes.get(phrase) ?? 0) + 1);
  });
  if (!votes.size) return { kind: "none", why: why ?? "No component has a label." };
  const most = [...votes].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, MOST_LABELS).map(([phrase]) => phrase);
  const number = new Map(most.map((phrase, at) => [phrase, at]));
  const of = new Int32Array(model.count).fill(-1);
  for (let point = 0; point < model.count; point++) {
    const phrase = phrases[point];
    if (phrase !== undefined) of[point] = phrase === null ? most.length + 1 : (number.get(phrase) ?? most.length);
  }
  const groups = [...most.map((name) => ({ name })), { name: "other labels", plain: true }, { name: "no label", plain: true }];
  return counted(of, groups);
}

const TAGS = ["valid", "spurious", "unsure"];

function byTag(model: MapModel): Groups {
  const of = new Int32Array(model.count).fill(-1);
  for (const { index, start } of model.parts)
    for (let row = 0; row < index.count; row++) {
      if (dead(model, start + row)) continue;
      const tag = index.tag(row);
      of[start + row] = tag ? TAGS.indexOf(tag) : TAGS.length;
    }
  return counted(of, [...TAGS.map((name) => ({ name })), { name: "not tagged", plain: true }]);
}

/** Values of the points, with the range that the colours cover: outliers do not take it all. */
function ranged(model: MapModel, name: string, of: Float32Array, share = 0.02): Colouring {
  const sorted = of.filter((value, point) => !dead(model, point) && !Number.isNaN(value)).sort();
  const living = model.living.length;
  if (!sorted.length) return { kind: "none", why: `No component has a value: ${name}.` };
  const at = (part: number) => sorted[Math.round(part * (sorted.length - 1))]!;
  return { kind: "values", of, name, low: at(share), high: at(1 - share), least: at(0), most: at(1), none: living - sorted.length };
}

function byMeasure(model: MapModel, measure: Measure): Colouring {
  const of = new Float32Array(model.count).fill(NaN);
  let why = "";
  for (const { index, start } of model.parts) {
    const found = index.scores.value;
    if (found.state === "ready") of.set(found.value[measure], start);
    else why = found.state === "absent" ? found.why : "The measures are being computed.";
  }
  const found = ranged(model, NAMES[measure], of);
  return found.kind === "none" && why ? { kind: "none", why } : found;
}

function only(model: MapModel, store: Store, values: Float32Array): Float32Array {
  const of = new Float32Array(model.count).fill(NaN);
  const part = model.parts.find(({ index }) => index === store.index.value)!;
  of.set(values, part.start);
  return of;
}

function byRelevance(store: Store, model: MapModel): Colouring {
  const index = store.index.value;
  const number = store.of.value;
  const chosen = index.info.classes.find((one) => one.number === number);
  if (number === null || !chosen) return { kind: "none", why: "This index holds no relevance: none was computed when it was made." };
  const found = index.relevance(number).value;
  if (found.state === "loading") return { kind: "none", why: "The relevance is being read." };
  if (found.state === "absent") return { kind: "none", why: found.why };
  const ranges = ranged(model, `relevance for ${chosen.name}`, only(model, store, found.value.positive), 0.01);
  return ranges.kind === "values" ? { ...ranges, low: 0 } : ranges;
}

function byQuery(store: Store, model: MapModel): Colouring {
  const found = store.search.value;
  if (!found) return { kind: "none", why: "Search for something: the map then shows how similar each component is." };
  if (found.state === "loading") return { kind: "none", why: found.job ? `${found.job.step}.` : "Searching." };
  if (found.state === "absent") return { kind: "none", why: found.why };
  const ranges = ranged(model, found.value.by === "encoding" ? "effect" : "similarity", only(model, store, found.value.value), 0.005);
  const mark = { at: found.value.baseline, says: "95 % of random components stay below" };
  return ranges.kind === "values" && Number.isFinite(mark.at) ? { ...ranges, mark } : ranges;
}
