/** Pictures as queries: dropped anywhere on the page, pasted, or chosen. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Store, useStore } from "../data/store";
import { concerns } from "./root";

/** The picture that was last asked for, as long as this page remembers it: after a reload only its id is known. */
export const asked = signal<{ id: string; address: string } | null>(null);

/** Whether a picture is held over the page now. */
export const held = signal(false);

export async function ask(store: Store, file: File | undefined): Promise<void> {
  if (!file) return;
  if (!store.session.can.search) {
    store.told.value = "Pictures cannot be searched here: that takes a running server.";
    return;
  }
  if (!file.type.startsWith("image/")) {
    store.told.value = "That is no picture: drop a JPEG, PNG or WebP file.";
    return;
  }
  const before = store.query.peek();
  await store.searchImage(file);
  const query = store.query.peek();
  if (query === before || !query.startsWith("image:")) return;
  if (asked.peek()) URL.revokeObjectURL(asked.peek()!.address);
  asked.value = { id: query.slice(6), address: URL.createObjectURL(file) };
}

/** Lets the reader choose a file. */
export function chooseFile(store: Store): void {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: "image/jpeg,image/png,image/webp" });
  input.onchange = () => void ask(store, input.files?.[0]);
  input.click();
}

/** Listens for pictures as long as the caller is shown. */
export function usePictures(): void {
  const store = useStore();
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files") && concerns(store, event);
    const over = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      held.value = true;
    };
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      held.value = false;
      void ask(store, event.dataTransfer?.files[0]);
    };
    const leave = (event: DragEvent) => {
      if (!event.relatedTarget) held.value = false;
    };
    const paste = (event: ClipboardEvent) => {
      const file = event.clipboardData?.files[0];
      if (!file || !concerns(store, event)) return;
      event.preventDefault();
      void ask(store, file);
    };
    document.addEventListener("dragenter", over, { signal });
    document.addEventListener("dragover", over, { signal });
    document.addEventListener("dragleave", leave, { signal });
    document.addEventListener("drop", drop, { signal });
    document.addEventListener("paste", paste, { signal });
    return () => stop.abort();
  }, [store]);
}
