/** A line to the reader, which goes after a while. */

import { useEffect } from "preact/hooks";
import { useStore } from "../data/store";

const SHOWN = 5000; // milliseconds

export function Told() {
  const { told } = useStore();
  const text = told.value;
  useEffect(() => {
    const timer = text ? setTimeout(() => (told.value = ""), SHOWN) : undefined;
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <p class="told" role="status" aria-live="polite">
      {text}
    </p>
  );
}
