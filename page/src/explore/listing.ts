/** What is listed, in which order, and how to say so. */

import { useRef } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { valueOf } from "../data/load";
import { type Search, type Store, useStore } from "../data/store";
import type { Job } from "../data/types";
import { filtered } from "../ui/links";
import { counted, grouped } from "../ui/words";

export interface Listing {
  index: Indexed;
  rows: Int32Array;
  found: Search | null; // how similar they are, if something was asked
  busy: boolean; // these are still the rows of before
  job: Job | null; // what a busy listing waits for
  title: string;
  says: string;
}

export function useListing(): Listing {
  const store = useStore();
  const index = store.index.value;
  const search = store.search.value;
  const found = search ? (valueOf(search) ?? null) : null;
  const before = useRef<{ index: Indexed; rows: Int32Array; found: Search | null }>();
  const busy = search?.state === "loading";
  const shown = busy && before.current?.index === index ? before.current : { index, rows: store.order.value, found };
  before.current = shown;
  const words = search?.state === "absent" ? byLabel(store, search.why) : found ? bySearch(store, found) : plain(store);
  const title = busy ? `Searching for ${asked(store)} …` : words.title;
  return { ...shown, busy, job: search?.state === "loading" ? search.job : null, title, says: words.says };
}

function asked(store: Store): string {
  const text = store.param("q");
  return text ? `“${text}”` : "your picture";
}

function plain(store: Store) {
  const index = store.index.value;
  const rows = store.order.value;
  const scores = index.scores.value.state;
  const order = { ready: "the labelled and clearest first", loading: "being put in order", absent: "in the model’s order" }[scores];
  const whole = filtered(store.place) ? ` of ${grouped(index.count)}` : "";
  return {
    title: `${grouped(rows.length)}${whole} ${rows.length === 1 && !whole ? "component" : "components"}, ${order}`,
    says: "Each card is a component: a part of the model that reacts to something. Its pictures are what excites it most.",
  };
}

function bySearch(store: Store, found: Search) {
  const rows = store.order.value;
  const above = rows.reduce((count, row) => count + (found.value[row]! > found.baseline ? 1 : 0), 0);
  if (found.by === "encoding") {
    const is = `${grouped(above)} of ${counted(rows.length, "component")} ${above === 1 ? "responds" : "respond"} more than chance: 95 % of components with permuted activations stay below the tick.`;
    return { title: `What responds most to ${asked(store)}`, says: `Effect over all images, with its 95 % interval. ${is}` };
  }
  const chance = Number.isFinite(found.baseline)
    ? `${grouped(above)} of ${counted(rows.length, "component")} ${above === 1 ? "is" : "are"} better aligned than chance: 95 % of random components stay below the tick.`
    : "There is no baseline to say what chance reaches.";
  return { title: `Most like ${asked(store)}`, says: chance };
}

function byLabel(store: Store, why: string) {
  const text = store.param("q");
  if (!text) return { title: "This picture cannot be searched", says: why };
  return {
    title: `${counted(store.order.value.length, "component")} with “${text}” in the label`,
    says: `Only labels are searched here: ${why}`,
  };
}
