/** The graph of a class, asked for once for as long as the page is open. */

import { type Signal, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { type Loaded, loaded } from "../data/load";
import type { Store } from "../data/store";
import { jsonOf } from "../data/transport";
import type { Graph } from "../data/types";

const known = new WeakMap<Indexed, Map<string, Signal<Loaded<Graph>>>>();
const none = signal<Loaded<Graph>>({ state: "loading", job: null });

export interface Asked {
  number: number; // of the class
  layers: string[]; // empty: all
  edges: boolean; // with what passes between layers
}

/** The graph as far as it is there; what failed is asked for again when the reader comes back to it. */
export function useGraph(store: Store, asked: Asked | null): Loaded<Graph> {
  const index = store.index.value;
  const found = asked ? graphOf(store, index, asked) : none;
  const key = asked && keyOf(asked);
  useEffect(
    () => () => {
      if (key && found.peek().state === "absent") known.get(index)?.delete(key);
    },
    [index, key],
  );
  return found.value;
}

function graphOf(store: Store, index: Indexed, asked: Asked): Signal<Loaded<Graph>> {
  const mine = known.get(index) ?? new Map<string, Signal<Loaded<Graph>>>();
  known.set(index, mine);
  const key = keyOf(asked);
  const found = mine.get(key) ?? loaded(async () => jsonOf<Graph>(await store.transport.get(index.at(key))));
  mine.set(key, found);
  return found;
}

function keyOf({ number, layers, edges }: Asked): string {
  const chosen = layers.length ? `&layers=${encodeURIComponent(layers.join(","))}` : "";
  return `graph?class=${number}${chosen}&edges=${edges ? 1 : 0}`;
}
