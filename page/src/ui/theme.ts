/** Light, dark, or as the system has it: kept in this browser, shown as data-theme on the page's root. */

import { signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];
const KEY = "semlens-theme";

function stored(): Theme {
  try {
    const found = localStorage.getItem(KEY) as Theme;
    return THEMES.includes(found) ? found : "system";
  } catch {
    return "system"; // storage is forbidden here
  }
}

/** What the reader chose. A canvas that reads colours from the style draws anew when this changes. */
export const theme = signal<Theme>(stored());

export function choose(chosen: Theme): void {
  theme.value = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // it holds until the page is left
  }
}

export function wear(root: HTMLElement, chosen: Theme): void {
  if (chosen === "system") delete root.dataset.theme;
  else root.dataset.theme = chosen;
}
