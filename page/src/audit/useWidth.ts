/** How wide an element is, as it changes; 0 before it is known. */

import type { RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";

export function useWidth(of: RefObject<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const measure = () => setWidth(Math.floor(of.current!.clientWidth));
    const observer = new ResizeObserver(measure);
    observer.observe(of.current!);
    measure();
    return () => observer.disconnect();
  }, []);
  return width;
}
