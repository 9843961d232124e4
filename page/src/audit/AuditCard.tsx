/** A component of a list: what excites it, what it fits, how the reader judges it. */

import { useComputed } from "@preact/signals";
import type { Ref } from "preact";
import { useStore } from "../data/store";
import { Crops } from "../ui/Crops";
import { componentHref } from "../ui/links";
import { Facts } from "./Facts";
import { Judge } from "./Judge";
import { Key } from "./Marks";
import type { Counted } from "./recount";
import { type AuditState, called } from "./state";
import { NAMES, QUADRANTS } from "./words";

export interface AuditCardProps {
  state: AuditState;
  counted: Counted;
  at: number;
  top: number; // relevance that fills a bar
  current: boolean;
  place: Ref<HTMLElement>;
  enter: () => void;
}

export function AuditCard({ state, counted, at, top, current, place, enter }: AuditCardProps) {
  const store = useStore();
  const { index } = state;
  const row = counted.audit.rows[at]!;
  const quadrant = QUADRANTS[counted.quadrant[at]!]!;
  const tag = index.tag(row.row);
  const name = called(index, row, quadrant);
  const lit = useComputed(() => (store.pointed.value?.row === row.row && store.pointed.value.index === index.number ? "lit" : ""));
  const point = (on: boolean) => (store.pointed.value = on ? { index: index.number, row: row.row } : null);
  return (
    <article
      ref={place}
      class={`finding ${quadrant} ${lit.value} ${tag ? "is-judged" : ""}`}
      tabIndex={current ? 0 : -1}
      aria-label={`${name}, ${row.component}${tag ? `, judged ${tag}` : ""}`}
      onFocus={() => (enter(), point(true))}
      onBlur={() => point(false)}
      onPointerEnter={() => point(true)}
      onPointerLeave={() => point(false)}
    >
      <h4>
        <Key of={quadrant} />{" "}
        <a href={componentHref(store, index, row.row)}>
          <bdi>{name}</bdi>
        </a>{" "}
        {name !== row.component && <code>{row.component}</code>}
        {tag && <span class={`tag ${tag}`}>{tag}</span>}
      </h4>
      <p class="hint">
        fits {NAMES[quadrant]}
        {!row.label && " · no label"}
      </p>
      <Crops index={index} row={row.row} count={4} />
      <Facts row={row} quadrant={quadrant} moved={counted.moved} top={top} />
      <Judge index={index} row={row.row} of={name} />
    </article>
  );
}
