/** Arriving at another view: at its top, with the focus in it; unless the reader went back, or only to the next component. */

import { useEffect, useRef } from "preact/hooks";
import { useStore } from "../data/store";
import { alone } from "./root";

let staying = false;

/** The next arrival leaves the page where it is scrolled to. */
export function stay(): void {
  staying = true;
}

export function useArrival(): void {
  const store = useStore();
  const route = store.place.route.value;
  const last = useRef<string>();
  useEffect(() => {
    // The browser knows where the reader was. An event of its own, for "popstate" comes with every click on a link too.
    const moved = (event: NavigateEvent) => event.navigationType === "traverse" && stay();
    window.navigation?.addEventListener("navigate", moved);
    return () => window.navigation?.removeEventListener("navigate", moved);
  }, []);
  useEffect(() => {
    const path = route.path.join("/");
    if (last.current !== undefined && last.current !== path && alone(store)) arrive();
    last.current = path;
    staying = false;
  }, [route]);
}

function arrive(): void {
  if (!staying) scrollTo(0, 0);
  if (document.activeElement === document.body) document.querySelector<HTMLElement>(".semlens > main")?.focus({ preventScroll: true });
}
