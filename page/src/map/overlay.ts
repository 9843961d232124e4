/** What lies over the points: crops, hits of the search with their numbers, names, the line that is drawn. */

import { type Camera, type View, toScreen } from "./camera";
import type { Crops } from "./crops";
import type { MapModel } from "./model";
import { type Colour, css } from "./palette";
import { Ground, type Wanted, placed } from "./placing";
import type { Name, Scenery } from "./scenery";
import type { Sprite, Texts } from "./text";
import type { Theme } from "./theme";

export interface Painting {
  context: CanvasRenderingContext2D;
  ratio: number;
  camera: Camera;
  view: View;
  theme: Theme;
  model: MapModel;
  scenery: Scenery;
  hits: readonly number[];
  colour: (point: number) => Colour;
  faded: (point: number) => boolean;
  pointSize: number;
  line: readonly number[] | null; // CSS pixels
  crops: Crops;
  texts: Texts;
}

/** Side of a crop on the map in CSS pixels, by how many there are to be. */
export function cropSize(view: View, count: number): number {
  return Math.round(Math.min(84, Math.max(26, 0.5 * Math.sqrt((view.width * view.height) / Math.max(1, count)))));
}

export function paint(painting: Painting): void {
  const { context, ratio, view, texts, theme } = painting;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  texts.suit(theme, ratio);
  const ground = new Ground();
  const hits = paintHits(painting, ground);
  const below = paintCrops(painting, ground);
  hits(); // over the crops, though their places were taken first
  paintNames(painting, ground, below);
  if (painting.line) paintLine(painting, painting.line);
}

function square(x: number, y: number, side: number) {
  return { left: x - side / 2, top: y - side / 2, right: x + side / 2, bottom: y + side / 2 };
}

/** Crops where they do not cover each other. Answers how far below their point the names of those begin. */
function paintCrops(painting: Painting, ground: Ground): Map<string, number> {
  const { context, scenery, camera, view, model, crops, colour, faded } = painting;
  const side = cropSize(view, scenery.crops.length);
  const below = new Map<string, number>();
  for (const { point, path } of scenery.crops) {
    const x0 = model.xy[2 * point]!;
    const y0 = model.xy[2 * point + 1]!;
    const [x, y] = toScreen(camera, view, x0, y0);
    const box = square(x, y, side);
    const inside = box.right > 0 && box.bottom > 0 && box.left < view.width && box.top < view.height;
    if (!inside || !(ground.free(box) || painting.hits.includes(point))) continue;
    const picture = crops.get(path);
    if (!picture) continue;
    ground.take(box);
    below.set(`${x0},${y0}`, side / 2);
    context.globalAlpha = faded(point) ? 0.35 : 1;
    context.fillStyle = css(colour(point));
    context.beginPath();
    context.roundRect(box.left - 2, box.top - 2, side + 4, side + 4, 5);
    context.fill();
    context.drawImage(picture, box.left, box.top, side, side);
    context.globalAlpha = 1;
  }
  return below;
}

const NUMBER = 9; // half of a hit's number's field
const AROUND = [[1, -1], [-1, -1], [1, 1], [-1, 1], [1.6, 0], [-1.6, 0], [0, -1.6], [0, 1.6], [2.6, -1.2], [-2.6, -1.2], [2.6, 1.2], [-2.6, 1.2]] as const;

/** Takes the places of the hits, and answers what paints them. */
function paintHits({ context, hits, camera, view, model, theme, pointSize }: Painting, ground: Ground): () => void {
  const at = hits.map((point) => toScreen(camera, view, model.xy[2 * point]!, model.xy[2 * point + 1]!));
  const radius = Math.max(7, pointSize + 2);
  for (const [x, y] of at) ground.take(square(x, y, radius));
  const numbers = at.map(([x, y], number) => {
    const offsets = AROUND.map(([right, down]) => [right * (radius + 4), down * (radius + 4)] as const);
    const wanted = { text: String(number), x, y, width: 2 * NUMBER, height: 2 * NUMBER, offsets };
    return placed([wanted], ground, view.width, view.height)[0] ?? null;
  });
  return () => {
    Object.assign(context, { textAlign: "center", textBaseline: "middle", font: `700 11px ${theme.font}` });
    for (const [x, y] of at) {
      stroke(context, 4, css(theme.ground), () => ring(context, x, y, radius));
      stroke(context, 2, theme.ink, () => ring(context, x, y, radius));
    }
    numbers.forEach((spot, number) => {
      if (!spot) return;
      context.fillStyle = theme.ink;
      context.beginPath();
      context.arc(spot[0], spot[1], NUMBER - 1, 0, 7);
      context.fill();
      context.fillStyle = css(theme.ground);
      context.fillText(String(number + 1), spot[0], spot[1] + 0.5);
    });
  };
}

function stroke(context: CanvasRenderingContext2D, width: number, colour: string, path: () => void): void {
  context.lineWidth = width;
  context.strokeStyle = colour;
  path();
}

function ring(context: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
}

const ABOVE = [[0, 0], [0, -16], [0, 16], [0, -30], [0, 30]] as const;

function paintNames({ context, scenery, camera, view, texts, pointSize }: Painting, ground: Ground, below: Map<string, number>): void {
  const wanted: (Wanted & { sprite: Sprite })[] = [];
  for (const name of scenery.names) {
    const [x, y] = toScreen(camera, view, name.x, name.y);
    if (x < -80 || y < -40 || x > view.width + 80 || y > view.height + 40) continue;
    const sprite = texts.of(name.text, name.level);
    wanted.push({ text: name.text, x, y, width: sprite.width, height: sprite.height - 2, sprite, offsets: offsets(name, below, sprite, pointSize) });
  }
  placed(wanted, ground, view.width, view.height).forEach((spot, at) => {
    const { sprite } = wanted[at]!;
    if (spot) context.drawImage(sprite.picture, spot[0] - sprite.width / 2, spot[1] - sprite.height / 2, sprite.width, sprite.height);
  });
}

/** Names of groups lie over them, those of a single component below its crop or beside its point. */
function offsets(name: Name, below: Map<string, number>, sprite: Sprite, pointSize: number): Wanted["offsets"] {
  if (name.level !== "single") return ABOVE;
  const crop = below.get(`${name.x},${name.y}`);
  if (crop !== undefined) return [[0, crop + sprite.height / 2], [0, -crop - sprite.height / 2]];
  return [[0, pointSize / 2 + sprite.height / 2], [sprite.width / 2 + pointSize / 2, 0]];
}

function paintLine({ context, theme }: Painting, line: readonly number[]): void {
  if (line.length < 4) return;
  context.beginPath();
  context.moveTo(line[0]!, line[1]!);
  for (let at = 2; at < line.length; at += 2) context.lineTo(line[at]!, line[at + 1]!);
  context.closePath();
  context.globalAlpha = 0.12;
  context.fillStyle = theme.accent;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.strokeStyle = theme.accent;
  context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
}
