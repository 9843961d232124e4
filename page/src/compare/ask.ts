/** A comparison, asked for once for as long as the page is open. */

import type { Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Loaded, loaded } from "../data/load";
import type { Store } from "../data/store";
import { jsonOf } from "../data/transport";
import type { Comparison } from "../data/types";

const known = new WeakMap<Store, Map<string, Signal<Loaded<Comparison>>>>();

export function useComparison(store: Store, a: string, b: string): Loaded<Comparison> {
  const path = `compare?${new URLSearchParams({ ...(a && { a }), ...(b && { b }) })}`.replace(/\?$/, "");
  const mine = known.get(store) ?? new Map<string, Signal<Loaded<Comparison>>>();
  known.set(store, mine);
  const found = mine.get(path) ?? loaded(async () => jsonOf<Comparison>(await store.transport.get(path)));
  mine.set(path, found);
  useEffect(
    () => () => {
      if (found.peek().state === "absent") mine.delete(path); // to be asked for again
    },
    [path],
  );
  return found.value;
}
