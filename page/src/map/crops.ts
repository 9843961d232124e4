/** Crops for the map: a bounded number is kept, the longest unused goes first. */

import type { Transport } from "../data/transport";

const KEPT = 600;
const AT_ONCE = 6;

export class Crops {
  private readonly kept = new Map<string, HTMLImageElement | null>(); // null: on its way, or not to be had
  private wanted: string[] = [];
  private loading = 0;
  private stopped = false;

  constructor(
    private readonly transport: Transport,
    private readonly arrived: () => void,
  ) {}

  /** Fetches these, and none of those that were wanted before. */
  want(paths: readonly string[]): void {
    this.wanted = paths.filter((path) => !this.kept.has(path));
    this.next();
  }

  get(path: string): HTMLImageElement | null {
    const found = this.kept.get(path);
    if (!found) return null;
    this.kept.delete(path); // to the end: just used
    this.kept.set(path, found);
    return found;
  }

  stop(): void {
    this.stopped = true;
    this.wanted = [];
    this.kept.clear();
  }

  private next(): void {
    while (this.loading < AT_ONCE && this.wanted.length) void this.fetch(this.wanted.shift()!);
  }

  private async fetch(path: string): Promise<void> {
    this.loading++;
    this.kept.set(path, null);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
    try {
      const picture = new Image();
      picture.src = await this.transport.picture(path);
      await picture.decode();
      this.kept.set(path, picture);
      if (!this.stopped) this.arrived();
    } catch {
      // no such picture: its point stays a point
    }
    this.loading--;
    this.next();
  }
}
