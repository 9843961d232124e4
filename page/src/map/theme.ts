/** The page's colours, for a canvas: read from the style sheet, and again when it changes. */

import { type Signal, signal } from "@preact/signals";
import { type Colour, hex, isDark } from "./palette";

export interface Theme {
  dark: boolean;
  ground: Colour;
  ink: string;
  soft: string;
  plain: Colour; // of points without a colour of their own
  accent: string;
  panel: string;
  line: string;
  font: string;
}

const probe = () => document.createElement("canvas").getContext("2d")!;

function read(element: Element): Theme {
  const style = getComputedStyle(element);
  const context = probe();
  const colour = (name: string) => {
    context.fillStyle = style.getPropertyValue(name).trim() || "#888";
    return String(context.fillStyle); // the browser's own writing: #rrggbb
  };
  const ground = hex(colour("--ground"));
  const dark = isDark(ground);
  return {
    dark,
    ground,
    ink: colour("--ink"),
    soft: colour("--soft"),
    plain: dark ? [128, 137, 150] : [150, 157, 166],
    accent: colour("--accent"),
    panel: colour("--panel"),
    line: colour("--line"),
    font: style.fontFamily || "sans-serif",
  };
}

/** The theme of an element, and what ends watching it. */
export function watchTheme(element: Element): { theme: Signal<Theme>; stop: () => void } {
  const theme = signal(read(element));
  const again = () => void (theme.value = read(element));
  const query = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(again);
  const root = element.closest(".semlens");
  query.addEventListener("change", again);
  if (root) observer.observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  return {
    theme,
    stop: () => {
      query.removeEventListener("change", again);
      observer.disconnect();
    },
  };
}
