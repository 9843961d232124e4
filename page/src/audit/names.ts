/** The names of some dots, each where it covers neither another name nor a named dot. */

import type { Dots, Frame } from "./frame";
import { line } from "./words";

const LETTER = 6.8; // room for a letter
const LINE = 15; // ... and for its line
const LETTERS = 24;

type Box = readonly [number, number, number, number]; // left, top, right, bottom

export interface Name {
  text: string;
  x: number; // of its middle
  y: number; // of its letters' foot
  lead: readonly [number, number, number, number] | null; // a line from the dot, where that is not near
}

/** The names of the foremost dots. */
export function placeNames(dots: Dots, texts: string[], frame: Frame): Name[] {
  const taken: Box[] = [...corners(frame), ...texts.map((_, dot): Box => around(dots, dot))];
  return texts.map((full, dot) => {
    const text = line(full, LETTERS);
    const box = free(dots, dot, text.length * LETTER, frame, taken);
    taken.push(box);
    const [x, y, radius] = [dots.x[dot]!, dots.y[dot]!, dots.radius[dot]!];
    const near = [Math.min(Math.max(x, box[0]), box[2]), Math.min(Math.max(y, box[1]), box[3])] as const;
    const far = Math.hypot(near[0] - x, near[1] - y) > radius + 5;
    return { text, x: (box[0] + box[2]) / 2, y: box[3] - 4, lead: far ? [x, y, ...near] : null };
  });
}

/** Where the quadrants' own names stand. */
function corners({ left, right, top, bottom }: Frame): Box[] {
  return [left, right - 130].flatMap((x) => [top, bottom - 28].map((y): Box => [x, y, x + 130, y + 28]));
}

function around({ x, y, radius }: Dots, dot: number): Box {
  return [x[dot]! - radius[dot]!, y[dot]! - radius[dot]!, x[dot]! + radius[dot]!, y[dot]! + radius[dot]!];
}

function free(dots: Dots, dot: number, wide: number, frame: Frame, taken: Box[]): Box {
  const [x, y, radius] = [dots.x[dot]!, dots.y[dot]!, dots.radius[dot]!];
  for (const away of [0, 18, 36, 60])
    for (const rise of [0, -1, 1, -2, 2])
      for (const left of [x + radius + 3 + away, x - radius - 3 - away - wide, x - wide / 2]) {
        if (left === x - wide / 2 && rise === 0) continue; // would lie on the dot
        const middle = y + rise * (radius + LINE / 2 + 2 + away / 2);
        const box: Box = [left, middle - LINE / 2, left + wide, middle + LINE / 2];
        const on = box[0] >= frame.left && box[2] <= frame.right && box[1] >= frame.top && box[3] <= frame.bottom;
        if (on && !taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) return box;
      }
  const left = Math.max(frame.left, Math.min(x + radius, frame.right - wide));
  return [left, y - LINE / 2, left + wide, y + LINE / 2];
}
