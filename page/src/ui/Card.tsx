/** A component at a glance: what excites it, what it is called, and what the caller adds. */

import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { Crops } from "./Crops";
import { componentHref } from "./links";
import { brief } from "./words";

export interface CardProps {
  index: Indexed;
  row: number;
  crops?: number; // 1, 2 or 4
  tabIndex?: number;
  children?: ComponentChildren; // below its name
}

export function Card({ index, row, crops = 4, tabIndex, children }: CardProps) {
  const store = useStore();
  const look = useComputed(() => {
    const at = store.pointed.value;
    return at && at.row === row && at.index === index.number ? "card pointed" : "card";
  });
  const point = () => (store.pointed.value = { index: index.number, row });
  const leave = () => (store.pointed.value = null);
  const title = index.title(row);
  const id = index.id(row);
  const tag = index.tag(row);
  return (
    <a class={look} href={componentHref(store, index, row)} tabIndex={tabIndex} draggable={false} onPointerEnter={point} onPointerLeave={leave} onFocus={point} onBlur={leave}>
      <Crops index={index} row={row} count={crops} />
      <span class="card-words">
        <strong title={title}>
          <bdi>{brief(title)}</bdi>
        </strong>
        <small class="card-id">
          <bdi title={id}>{title === id ? unnamed(index) : brief(id)}</bdi>
          {tag && <span class={`tag ${tag}`}>{tag}</span>}
        </small>
        {children}
      </span>
    </a>
  );
}

function unnamed(index: Indexed): string {
  return index.labels.value.state === "ready" ? "no label: chance fits as well" : "";
}
