/** Keyboard shortcuts: what they do where, and the guide to all of them. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useStore } from "../data/store";
import { concerns } from "./root";

/** What the overlay lists. A view that takes keys adds its own here. */
export const GUIDE: { where: string; keys: { keys: string[]; says: string }[] }[] = [
  {
    where: "Everywhere",
    keys: [
      { keys: ["/"], says: "search" },
      { keys: ["Esc"], says: "clear the search, close what is open" },
      { keys: ["?"], says: "these shortcuts" },
    ],
  },
  {
    where: "Results",
    keys: [
      { keys: ["←", "↑", "→", "↓"], says: "from card to card" },
      { keys: ["Home", "End"], says: "first and last card" },
      { keys: ["Enter"], says: "open the component" },
    ],
  },
  {
    where: "Map",
    keys: [
      { keys: ["+", "−"], says: "nearer and farther" },
      { keys: ["0"], says: "all of it" },
      { keys: ["Ctrl", "←"], says: "to the next component in that direction; any arrow" },
      { keys: ["Enter"], says: "open that component" },
      { keys: ["Shift"], says: "and drag: select with a lasso; with Ctrl adds, Alt takes away" },
    ],
  },
  {
    where: "Table",
    keys: [
      { keys: ["↑", "↓"], says: "from row to row; with Shift marks them" },
      { keys: ["Home", "End"], says: "first and last row" },
      { keys: ["Space"], says: "mark the row" },
      { keys: ["Ctrl", "A"], says: "select all that are shown" },
      { keys: ["Enter"], says: "open the component" },
    ],
  },
  {
    where: "Graph",
    keys: [
      { keys: ["←", "↑", "→", "↓"], says: "from box to box" },
      { keys: ["Enter"], says: "choose the box" },
      { keys: ["Esc"], says: "let go of it" },
    ],
  },
  {
    where: "Component",
    keys: [
      { keys: ["j"], says: "next component of the list" },
      { keys: ["k"], says: "previous component" },
      { keys: ["r"], says: "a random one" },
      { keys: ["h"], says: "crop, whole image, heat map" },
      { keys: ["1", "2", "3"], says: "tag it valid, spurious, unsure; the same key again removes the tag" },
      { keys: ["0"], says: "remove the tag" },
      { keys: ["u"], says: "undo the last change" },
    ],
  },
];

export type Keys = Record<string, (event: KeyboardEvent) => void>;

/** Takes single keys as long as the caller is shown: not while the reader types, nor while a dialog is open. */
export function useKeys(keys: Keys): void {
  const store = useStore();
  const now = useRef(keys);
  now.current = keys;
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const run = now.current[event.key];
      if (!run || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      if (types(event.target) || document.querySelector("dialog[open]") || !concerns(store, event)) return;
      event.preventDefault();
      run(event);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [store]);
}

function types(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || !!target.closest("input:not([type=checkbox], [type=radio], [type=range]), textarea, select"));
}
