/** Whether the system asks for a dark page: what is painted by script has to be painted anew when it changes. */

import { useEffect, useState } from "preact/hooks";

export function useDark(): boolean {
  const asked = matchMedia("(prefers-color-scheme: dark)");
  const [dark, setDark] = useState(asked.matches);
  useEffect(() => {
    const changed = () => setDark(asked.matches);
    asked.addEventListener("change", changed);
    return () => asked.removeEventListener("change", changed);
  }, []);
  return dark;
}
