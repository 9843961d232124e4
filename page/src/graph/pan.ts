/** A box whose content is dragged with the mouse; fingers and wheels scroll it by themselves. */

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function usePan(): RefObject<HTMLDivElement> {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = box.current!;
    const stop = new AbortController();
    const listen = (name: "pointerdown" | "pointermove" | "pointerup" | "pointercancel", run: (event: PointerEvent) => void) => element.addEventListener(name, run, { signal: stop.signal });
    let from: { x: number; y: number; left: number; top: number } | null = null;
    const end = () => {
      from = null;
      element.classList.remove("dragged");
    };
    listen("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button || (event.target as Element).closest(".node")) return;
      from = { x: event.clientX, y: event.clientY, left: element.scrollLeft, top: element.scrollTop };
    });
    listen("pointermove", (event) => {
      if (!from) return;
      if (!event.buttons) return end();
      element.classList.add("dragged");
      element.scrollTo(from.left + from.x - event.clientX, from.top + from.y - event.clientY);
    });
    listen("pointerup", end);
    listen("pointercancel", end);
    return () => stop.abort();
  }, []);
  return box;
}
