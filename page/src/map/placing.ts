/** Labels without overlaps: the more important one stays, others move or give way. */

export interface Wanted {
  text: string;
  x: number; // CSS pixels: what it belongs to
  y: number;
  width: number;
  height: number;
  offsets: readonly (readonly [number, number])[]; // where its middle may lie from there, the best first
}

export interface Taken {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Places that are taken, in cells, so that a look at the neighbours is enough. */
export class Ground {
  private readonly cells = new Map<number, Taken[]>();

  constructor(private readonly cell = 96) {}

  /** Whether nothing there is taken yet. */
  free(box: Taken): boolean {
    for (const key of this.over(box))
      for (const other of this.cells.get(key) ?? [])
        if (box.left < other.right && box.right > other.left && box.top < other.bottom && box.bottom > other.top) return false;
    return true;
  }

  take(box: Taken): void {
    for (const key of this.over(box)) {
      const cell = this.cells.get(key);
      if (cell) cell.push(box);
      else this.cells.set(key, [box]);
    }
  }

  private *over({ left, top, right, bottom }: Taken): Generator<number> {
    const { cell } = this;
    for (let row = Math.floor(top / cell); row <= Math.floor(bottom / cell); row++)
      for (let column = Math.floor(left / cell); column <= Math.floor(right / cell); column++) yield row * 4096 + column;
  }
}

const APART = 150; // CSS pixels between two labels that read the same

/** Where each label's middle goes, the most important first; null: there is no room, or the same text stands nearby.
 *  What is placed is taken. */
export function placed(wanted: readonly Wanted[], ground: Ground, width: number, height: number): ([number, number] | null)[] {
  const said = new Map<string, [number, number][]>();
  return wanted.map((one) => {
    const same = said.get(one.text) ?? [];
    if (same.some(([x, y]) => Math.hypot(x - one.x, y - one.y) < APART)) return null;
    for (const [right, down] of one.offsets) {
      const x = one.x + right;
      const y = one.y + down;
      const box = { left: x - one.width / 2, right: x + one.width / 2, top: y - one.height / 2, bottom: y + one.height / 2 };
      if (box.left < 0 || box.top < 0 || box.right > width || box.bottom > height || !ground.free(box)) continue;
      ground.take(box);
      said.set(one.text, [...same, [x, y]]);
      return [x, y];
    }
    return null;
  });
}
