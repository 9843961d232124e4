/** What the server knows of one component, and its heat maps. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { type Loaded, settle } from "../data/load";
import { useStore } from "../data/store";
import { jsonOf } from "../data/transport";
import type { Component, Heat } from "../data/types";

export function useComponent(index: Indexed, row: number): Loaded<Component> {
  const known = index.known(row);
  const found = useSignal<Loaded<Component>>(known ? { state: "ready", value: known } : { state: "loading", job: null });
  const labelled = index.labels.value.state === "ready";
  useEffect(() => {
    const stop = new AbortController();
    const ask = async () => {
      const known = await index.component(row);
      // It may have been asked for before its label was known.
      return labelled && !known.label && !known.dead ? index.component(row, true) : known;
    };
    void settle(ask, found, stop.signal);
    return () => stop.abort();
  }, [index, row, labelled]);
  return found.value;
}

/** The examples that have a heat map, once it is wanted. */
export function useHeat(index: Indexed, row: number, wanted: boolean): Loaded<Heat> {
  const { transport } = useStore();
  const found = useSignal<Loaded<Heat>>({ state: "loading", job: null });
  useEffect(() => {
    if (!wanted) return;
    const stop = new AbortController();
    found.value = { state: "loading", job: null };
    void settle(async () => jsonOf<Heat>(await transport.get(index.at(`heat/${row}`), stop.signal)), found, stop.signal);
    return () => stop.abort();
  }, [index, row, wanted]);
  return found.value;
}
