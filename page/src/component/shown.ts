/** What is shown of an example: what was cut out, the whole image with a frame, or where in it the component looks. */

import type { Indexed } from "../data/indexed";
import type { Store } from "../data/store";

export const MODES = ["crop", "whole", "heat"] as const;
export type Mode = (typeof MODES)[number];

export const NAMES: Record<Mode, string> = { crop: "Crop", whole: "Whole image", heat: "Heat map" };

export function modeOf(store: Store): Mode {
  const asked = store.param("show") as Mode;
  return MODES.includes(asked) ? asked : "crop";
}

export function show(store: Store, mode: Mode): void {
  store.place.set({ show: mode === "crop" ? null : mode }, true);
}

export function possible(index: Indexed, mode: Mode): boolean {
  return mode === "crop" || (mode === "whole" ? index.info.whole : index.info.heat);
}

/** Where the picture of an example is; `heated`: the examples that have a heat map. Null: there is none yet. */
export function pictureOf(index: Indexed, row: number, slot: number, crop: number, mode: Mode, heated: number[] | null): string | null {
  if (mode === "heat" && index.info.heat) return heated?.includes(slot) ? index.at(`heat/${row}/${slot}.webp`) : null;
  if (mode === "whole" && index.info.whole) return index.at(`frame/${row}/${slot}.webp`);
  return index.at(`crop/${crop}.webp`);
}
