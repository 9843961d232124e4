/** What is asked about the reader's picture: each answer waited for, and dropped when something else is asked. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { type Loaded, settle } from "../data/load";
import { unpack } from "../data/safetensors";
import { type Store, useStore } from "../data/store";
import { bodyOf, jsonOf } from "../data/transport";
import { queued } from "../ui/queue";
import type { Own } from "./figures";

export type Setting = "off" | "strongest";

/** GET {i}/own/similar?image=ID */
export interface Similar {
  crop: number;
  image: number;
  similarity: number;
  name: string;
  label: string | null;
}

/** What is asked for now; null asks nothing. */
function useAsked<T>(ask: ((stop: AbortSignal) => Promise<T>) | null, by: unknown[]): Loaded<T> | null {
  const found: Signal<Loaded<T> | null> = useSignal<Loaded<T> | null>(null);
  useEffect(() => {
    found.value = ask && { state: "loading", job: null };
    if (!ask) return;
    const stop = new AbortController();
    void settle(() => ask(stop.signal), found as Signal<Loaded<T>>, stop.signal);
    return () => stop.abort();
  }, by);
  return found.value;
}

export function useOwn(index: Indexed, image: string, output: string): Loaded<Own> | null {
  const { transport } = useStore();
  const ask = async (stop: AbortSignal): Promise<Own> => {
    const { arrays, metadata } = unpack(bodyOf(await transport.get(index.at(`own?image=${image}${output && `&output=${output}`}`), stop)));
    return { ...(arrays as unknown as Own), names: JSON.parse(metadata.names!), output: Number(metadata.output), warnings: JSON.parse(metadata.warnings!) };
  };
  return useAsked(image ? ask : null, [index, image, output]);
}

export function useSimilar(index: Indexed, image: string): Loaded<Similar[]> | null {
  const { transport } = useStore();
  return useAsked(image ? async (stop) => jsonOf<Similar[]>(await transport.get(index.at(`own/similar?image=${image}`), stop)) : null, [index, image]);
}

export function useWithout(index: Indexed, image: string, rows: readonly number[], setting: Setting): Loaded<{ logits: number[] }> | null {
  const { transport } = useStore();
  const ask = async () => jsonOf<{ logits: number[] }>(await transport.post(index.at(`own/without?image=${image}`), JSON.stringify({ rows, setting })));
  return useAsked(image && rows.length ? ask : null, [index, image, rows.join(), setting]);
}

/** The address of a heat map over the picture, one after another; undefined until it is there, null where there is none. */
export function useHeatOver(index: Indexed, image: string, output: number, row: number | null): string | null | undefined {
  const { transport } = useStore();
  const found = useSignal<string | null | undefined>(undefined);
  useEffect(() => {
    found.value = undefined;
    const stop = new AbortController();
    let address = "";
    const fetch = async () => {
      const answer = { value: { state: "loading", job: null } } as Signal<Loaded<ArrayBuffer>>;
      await settle(async () => bodyOf(await transport.get(index.at(`own/heat.webp?image=${image}&output=${output}${row === null ? "" : `&row=${row}`}`), stop.signal)), answer, stop.signal);
      if (stop.signal.aborted) return;
      if (answer.value.state === "ready") address = URL.createObjectURL(new Blob([answer.value.value], { type: "image/webp" }));
      found.value = address || null;
    };
    const off = queued(fetch);
    return () => (off(), stop.abort(), address && URL.revokeObjectURL(address));
  }, [index, image, output, row]);
  return found.value;
}

/** The components that respond to a phrase more than chance does, the most first. */
export async function respondingTo(store: Store, index: Indexed, phrase: string): Promise<number[]> {
  const answer = { value: { state: "loading", job: null } } as Signal<Loaded<number[]>>;
  await settle(async () => {
    const { arrays, metadata } = unpack(bodyOf(await store.transport.get(index.at(`search?text=${encodeURIComponent(phrase)}`))));
    const value = (arrays.effect ?? arrays.similarity) as Float32Array;
    const least = Number(arrays.effect ? metadata.chance : metadata.baseline);
    return Array.from(value.keys())
      .filter((row) => value[row]! > least && !index.base.dead[row])
      .sort((a, b) => value[b]! - value[a]! || a - b);
  }, answer);
  if (answer.value.state === "absent") store.told.value = answer.value.why;
  return answer.value.state === "ready" ? answer.value.value : [];
}
