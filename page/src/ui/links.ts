/** Where things lead. */

import type { Indexed } from "../data/indexed";
import type { Changes, Place } from "../data/place";
import type { Store } from "../data/store";

/** The reader's filters, all off. */
export const UNFILTERED: Changes = { layers: null, words: null, cluster: null, tag: null, sel: null };

/** What has to change in the URL so that it is about this index: filters speak of rows and layers of one index. */
export function about(store: Store, index: Indexed): Changes {
  const i = index.number || null;
  return index === store.index.value ? { i } : { i, ...UNFILTERED, class: null };
}

/** The address of a component's page. */
export function componentHref(store: Store, index: Indexed, row: number, changes: Changes = {}): string {
  return store.place.href(index.path(row), { ...about(store, index), ...changes });
}

/** Whether any of the reader's filters is on. */
export function filtered(place: Place): boolean {
  return Object.keys(UNFILTERED).some((name) => place.route.value.params.has(name));
}
