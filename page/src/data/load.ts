/** Something that is fetched: on its way (with the job it waits for), there, or not to be had. */

import { type Signal, signal } from "@preact/signals";
import { Pending } from "./transport";
import type { Job } from "./types";

export type Loaded<T> =
  | { state: "loading"; job: Job | null }
  | { state: "ready"; value: T }
  | { state: "absent"; why: string };

const PAUSE = 400; // milliseconds until something that is being computed is asked for again

/** Asks until it is there; `stop` ends the asking. */
export async function settle<T>(ask: () => Promise<T>, into: Signal<Loaded<T>>, stop?: AbortSignal): Promise<void> {
  while (!stop?.aborted) {
    try {
      const value = await ask();
      if (!stop?.aborted) into.value = { state: "ready", value };
      return;
    } catch (fault) {
      if (stop?.aborted || (fault instanceof Error && fault.name === "AbortError")) return;
      if (!(fault instanceof Pending)) {
        into.value = { state: "absent", why: fault instanceof Error ? fault.message : String(fault) };
        return;
      }
      into.value = { state: "loading", job: fault.job };
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }
}

/** What is asked for now. */
export function loaded<T>(ask: () => Promise<T>, stop?: AbortSignal): Signal<Loaded<T>> {
  const found = signal<Loaded<T>>({ state: "loading", job: null });
  void settle(ask, found, stop);
  return found;
}

/** The value, or undefined as long as there is none. */
export function valueOf<T>(found: Loaded<T>): T | undefined {
  return found.state === "ready" ? found.value : undefined;
}
