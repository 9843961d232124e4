/** What lies within a drawn line. */

/** Whether a point lies within a closed line of x, y, x, y ... (even-odd rule). */
export function within(line: ArrayLike<number>, x: number, y: number): boolean {
  let inside = false;
  const count = line.length;
  for (let at = 0, before = count - 2; at < count; before = at, at += 2) {
    const ay = line[at + 1]!;
    const by = line[before + 1]!;
    if (ay > y !== by > y && x < ((line[before]! - line[at]!) * (y - ay)) / (by - ay) + line[at]!) inside = !inside;
  }
  return inside;
}

/** The box around a line: left, lowest y, right, highest y. */
export function around(line: ArrayLike<number>): [number, number, number, number] {
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < line.length; at += 2) {
    box[0] = Math.min(box[0], line[at]!);
    box[1] = Math.min(box[1], line[at + 1]!);
    box[2] = Math.max(box[2], line[at]!);
    box[3] = Math.max(box[3], line[at + 1]!);
  }
  return box;
}

/** The rectangle between two corners, as a line. */
export function rectangle(ax: number, ay: number, bx: number, by: number): number[] {
  return [ax, ay, bx, ay, bx, by, ax, by];
}

export type Combine = "new" | "add" | "less";

/** What is selected after rows were caught; `before` null: nothing was selected, then taking away starts from `all`. */
export function combined(before: ArrayLike<number> | null, caught: readonly number[], how: Combine, all: () => Iterable<number>): number[] {
  if (how === "new") return [...caught];
  if (how === "add") return [...new Set([...Array.from(before ?? []), ...caught])];
  const out = new Set(caught);
  return [...(before ? Array.from(before) : all())].filter((row) => !out.has(row));
}
