/** Pictures by the server's numbers. Their place is kept free before they are there, so that nothing moves. */

import { useEffect, useState } from "preact/hooks";
import { useStore } from "../data/store";

/** The address of a picture as soon as it is known; undefined before. */
export function usePicture(path: string | null): string | undefined {
  const { transport } = useStore();
  const [found, set] = useState<string>();
  const now = path === null ? undefined : transport.picture(path);
  useEffect(() => {
    let live = true;
    set(undefined);
    if (now instanceof Promise) void now.then((address) => live && set(address));
    return () => {
      live = false;
    };
  }, [path]);
  return typeof now === "string" ? now : found;
}

export interface PictureProps {
  path: string | null; // "0/crop/17.webp"; null: there is none
  alt: string;
  class?: string;
}

export function Picture({ path, alt, class: look = "" }: PictureProps) {
  const source = usePicture(path);
  return (
    <span class={`picture ${look}`}>
      {source && <img src={source} alt={alt} loading="lazy" decoding="async" draggable={false} />}
    </span>
  );
}
