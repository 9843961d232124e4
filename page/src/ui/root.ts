/** The element that this page lives in: the body's child, or one of several cells of a notebook. */

import type { Store } from "../data/store";

const roots = new WeakMap<Store, HTMLElement>();

export function setRoot(store: Store, root: HTMLElement): void {
  roots.set(store, root);
}

/** Whether the page is all that its document shows. */
export function alone(store: Store): boolean {
  return roots.get(store)?.parentElement === document.body;
}

/** Whether something that happened in the document is this page's affair. */
export function concerns(store: Store, event: Event): boolean {
  return alone(store) || !!roots.get(store)?.contains(event.target as Node);
}
