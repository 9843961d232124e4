/** Texts for the map, each drawn once with a halo and kept as a small picture: a stroke per frame would be slow. */

import type { Name } from "./scenery";
import type { Theme } from "./theme";
import { css } from "./palette";

export interface Sprite {
  picture: HTMLCanvasElement;
  width: number; // CSS pixels
  height: number;
}

const FONTS: Record<Name["level"], { weight: number; size: number; most: number }> = {
  cluster: { weight: 650, size: 14, most: 30 },
  local: { weight: 500, size: 12, most: 26 },
  single: { weight: 400, size: 11, most: 20 },
};
const HALO = 3;
const KEPT = 600;

export function shortened(text: string, most: number): string {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join("").trimEnd()}…`;
}

export class Texts {
  private readonly kept = new Map<string, Sprite>();
  private readonly measure = document.createElement("canvas").getContext("2d")!;
  private ratio = 0;
  private theme: Theme | null = null;

  /** For which theme and how many device pixels per CSS pixel. */
  suit(theme: Theme, ratio: number): void {
    if (theme === this.theme && ratio === this.ratio) return;
    this.theme = theme;
    this.ratio = ratio;
    this.kept.clear();
  }

  of(text: string, level: Name["level"]): Sprite {
    const key = `${level} ${text}`;
    const known = this.kept.get(key);
    if (known) return known;
    if (this.kept.size >= KEPT) this.kept.delete(this.kept.keys().next().value!);
    const made = this.make(text, level);
    this.kept.set(key, made);
    return made;
  }

  private make(full: string, level: Name["level"]): Sprite {
    const { weight, size, most } = FONTS[level];
    const text = shortened(full, most);
    const font = `${weight} ${size}px ${this.theme!.font}`;
    this.measure.font = font;
    const width = Math.ceil(this.measure.measureText(text).width) + 2 * HALO;
    const height = Math.ceil(size * 1.25) + 2 * HALO;
    const picture = Object.assign(document.createElement("canvas"), { width: Math.ceil(width * this.ratio), height: Math.ceil(height * this.ratio) });
    const context = picture.getContext("2d")!;
    context.scale(this.ratio, this.ratio);
    Object.assign(context, { font, textBaseline: "middle", textAlign: "center", lineJoin: "round", lineWidth: 2 * HALO });
    context.strokeStyle = css(this.theme!.ground, 0.88);
    context.strokeText(text, width / 2, height / 2 + 0.5);
    context.fillStyle = level === "single" ? this.theme!.soft : this.theme!.ink;
    context.fillText(text, width / 2, height / 2 + 0.5);
    return { picture, width, height };
  }
}
