/** The columns of the table of components: what each says, where its values come from, how they are written. */

import type { ComponentChildren } from "preact";
import type { Indexed } from "../data/indexed";
import type { Loaded } from "../data/load";
import type { Store } from "../data/store";
import type { Job } from "../data/types";
import { componentHref } from "../ui/links";
import { Picture } from "../ui/picture";
import { brief, rounded, short } from "../ui/words";

export interface Column {
  key: string; // in the URL and in files
  name: string;
  says: string; // one sentence: what it is and how to read it
  kind: "number" | "text" | "picture";
  width: number; // pixels
  shown: boolean; // unless the reader chose otherwise
  waits?: Job | true; // its values are on their way
  why?: string; // there are none
  value(row: number): number; // NaN: none; of texts only what orders them, where that is not the alphabet
  text?(row: number): string;
  cell?(row: number): ComponentChildren; // in place of the plain text
  write?(value: number): string;
  bar?: number; // value of a full bar behind the number
  file?: string; // its name in a file, where the key says too little
  rising?: boolean; // small is what a reader looks for first
}

const NONE = Number.NaN;
const fixed = (digits: number) => (value: number) => rounded(value, digits);
const share = (value: number) => (value > 0 && value < 0.0005 ? "<0.1 %" : `${(100 * value).toFixed(1)} %`); // a digit after the point, always: numbers of a column stand below each other
const small = (value: number) => (value < 0.001 ? "<0.001" : value.toFixed(3));

/** Whether values are there, else why not. */
function presence(found: Loaded<unknown>): Pick<Column, "waits" | "why"> {
  if (found.state === "loading") return { waits: found.job ?? true };
  return found.state === "absent" ? { why: found.why } : {};
}

/** The largest value: that of a full bar. */
function largest(values: ArrayLike<number> | undefined): number {
  let most = 0;
  for (let row = 0; row < (values?.length ?? 0); row++) if (values![row]! > most) most = values![row]!;
  return most || 1;
}

/** Values of an array that may not be there yet. */
function of(values: ArrayLike<number> | undefined): (row: number) => number {
  return (row) => values?.[row] ?? NONE;
}

/** All columns that there can be, in their order. */
export function columnsOf(store: Store): Column[] {
  const index = store.index.value;
  return [...identity(store, index), ...ofLabels(index), ...ofMeasures(index), ...ofActivation(index), ...ofClass(store, index), ...ofSearch(store), ...ofReader(index)];
}

function identity(store: Store, index: Indexed): Column[] {
  const { base, info } = index;
  const picture = (row: number) => {
    const crop = base.crop[row]!;
    return (
      <a href={componentHref(store, index, row)} tabIndex={-1} aria-hidden="true">
        <Picture path={crop < 0 ? null : index.at(`crop/${crop}.webp`)} alt="" />
      </a>
    );
  };
  const link = (row: number) => (
    <a href={componentHref(store, index, row)} tabIndex={-1}>
      <bdi title={index.id(row)}>{brief(index.id(row))}</bdi>
    </a>
  );
  return [
    { key: "crop", name: "Crop", says: "The part of an image that makes it fire most.", kind: "picture", width: 56, shown: true, value: () => NONE, cell: picture },
    { key: "component", name: "Component", says: "One channel, unit or head of the model, written layer:number.", kind: "text", width: 150, shown: true, value: (row) => row, text: (row) => index.id(row), cell: link },
    { key: "layer", name: "Layer", says: "Where in the model it is.", kind: "text", width: 120, shown: false, value: (row) => base.layer[row]!, text: (row) => info.layers[base.layer[row]!]!.layer },
  ];
}

function ofLabels(index: Indexed): Column[] {
  const found = index.labels.value;
  const labels = found.state === "ready" ? found.value : undefined;
  const there = presence(found);
  const encoded = labels?.by === "encoding";
  const label = (row: number) => index.label(row) ?? index.names.get(row) ?? "";
  const best = (row: number) => {
    const at = labels?.best[row] ?? -1;
    return at < 0 ? "" : labels!.phrases[at]!;
  };
  const cell = (row: number) => {
    const named = label(row);
    if (named) return <bdi>{named}</bdi>;
    return best(row) && <span class="by-chance" title="Chance fits as well as this phrase, so it is no label">{<bdi>{best(row)}</bdi>}?</span>;
  };
  return [
    { key: "label", name: "Label", says: "The phrase that fits what it responds to; grey with a question mark where chance fits as well.", kind: "text", width: 200, shown: true, value: () => NONE, text: label, cell },
    { key: "p_value", name: "p-value", says: "How often chance fits as well as its best phrase: small means that the label can be trusted.", kind: "number", width: 84, shown: false, ...there, value: of(labels?.p_value), write: small, rising: true },
    { key: "stability", name: "Stability", says: "How often the label stays the same when its examples are drawn again, from 0 to 1.", kind: "number", width: 92, shown: false, ...there, value: of(labels?.stability), write: fixed(2), bar: 1 },
    { key: "alignment", name: encoded ? "z" : "Alignment", says: encoded ? "How far beyond chance it responds to its best phrase over all images, in standard errors." : "How much closer its examples are to its best phrase than to no phrase at all.", kind: "number", width: 100, shown: true, ...there, value: of(labels?.alignment), write: fixed(encoded ? 1 : 3), bar: largest(labels?.alignment) },
  ];
}

function ofMeasures(index: Indexed): Column[] {
  const found = index.scores.value;
  const scores = found.state === "ready" ? found.value : undefined;
  const shared = { kind: "number" as const, shown: true, ...presence(found), write: fixed(3), bar: 1 };
  return [
    { ...shared, key: "clarity", name: "Clarity", says: "How alike its examples are: 1 means that they all show the same.", width: 92, value: of(scores?.clarity), bar: largest(scores?.clarity) },
    { ...shared, key: "polysemanticity", name: "Polysemanticity", says: "Whether its examples show two different things: high means more than one meaning.", width: 144, value: of(scores?.polysemanticity), bar: largest(scores?.polysemanticity) },
    { ...shared, key: "redundancy", name: "Redundancy", says: "How close the most similar other component of its layer is: 1 means a twin.", width: 116, value: of(scores?.redundancy), bar: largest(scores?.redundancy) },
  ];
}

function ofActivation(index: Indexed): Column[] {
  const { base } = index;
  return [
    { key: "examples", name: "Examples", says: "Images that stand for it.", kind: "number", width: 86, shown: false, value: of(base.examples), write: String },
    { key: "fired", name: "Fired", says: "Share of all images on which it is active.", kind: "number", width: 86, shown: true, value: of(base.fired), write: share, bar: 1 },
    { key: "strongest", name: "Strongest", says: "Its largest activation, in the model's own unit.", kind: "number", width: 96, shown: false, value: of(base.strongest), write: short },
  ];
}

function ofClass(store: Store, index: Indexed): Column[] {
  const number = store.of.value;
  if (number === null) return [];
  const found = index.relevance(number).value;
  const shares = found.state === "ready" ? found.value : undefined;
  const shared = { kind: "number" as const, ...presence(found), write: share };
  const named = index.info.classes.find((one) => one.number === number)?.name ?? String(number);
  return [
    { ...shared, key: "for", file: `relevance for ${named}`, name: "Relevance for", says: `Share of all that speaks for “${named}” in its layer that comes from it.`, width: 132, shown: true, value: of(shares?.positive), bar: largest(shares?.positive) },
    { ...shared, key: "against", file: `relevance against ${named}`, name: "Relevance against", says: `How much it speaks against “${named}”, on the same scale.`, width: 150, shown: false, value: of(shares?.negative), bar: largest(shares?.negative) },
  ];
}

function ofSearch(store: Store): Column[] {
  const found = store.search.value;
  if (!found) return [];
  const search = found.state === "ready" ? found.value : undefined;
  const encoded = search?.by === "encoding";
  const says = encoded ? "How much it responds to what you searched for over all images, in standard deviations of its activation." : "How much closer its examples are to what you searched for than to nothing in particular.";
  return [{ key: "similarity", name: encoded ? "Effect" : "Match", says, kind: "number", width: 100, shown: true, ...presence(found), value: of(search?.value), write: fixed(3), bar: largest(search?.value) }];
}

function ofReader(index: Indexed): Column[] {
  const found = index.atlas.value;
  const atlas = found.state === "ready" ? found.value : undefined;
  const cluster = (row: number) => {
    const at = atlas?.cluster[row] ?? -1;
    return at < 0 ? "" : atlas!.names[at] || `cluster ${at}`;
  };
  return [
    { key: "cluster", name: "Cluster", says: "The group on the map that it belongs to.", kind: "text", width: 130, shown: false, ...presence(found), value: () => NONE, text: cluster },
    { key: "tag", name: "Tag", says: "What you judged: valid, spurious or unsure.", kind: "text", width: 90, shown: true, value: () => NONE, text: (row) => index.tag(row) ?? "", cell: (row) => index.tag(row) && <span class={`tag ${index.tag(row)}`}>{index.tag(row)}</span> },
    { key: "note", name: "Note", says: "What you wrote about it.", kind: "text", width: 180, shown: false, value: () => NONE, text: (row) => index.annotation(row)?.note ?? "" },
  ];
}

/** What a file gets of a column: numbers as they are, texts as they are read. */
export function valueOfColumn(column: Column, row: number): string | number | null {
  if (column.text) return column.text(row) || null;
  const value = column.value(row);
  return Number.isNaN(value) ? null : value;
}

/** A number as the column writes it; nothing where there is none. */
export function written(column: Column, row: number): string {
  if (column.text) return column.text(row);
  const value = column.value(row);
  return Number.isNaN(value) ? "" : (column.write?.(value) ?? String(value));
}
