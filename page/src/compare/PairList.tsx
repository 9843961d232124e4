/** Pairs of a component of A and one of B, side by side; those of a component that is pointed at light up together. */

import { type ReadonlySignal, useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { useVirtual } from "../table/virtual";
import { Crops } from "../ui/Crops";
import { componentHref } from "../ui/links";
import { brief, rounded } from "../ui/words";
import type { Pair } from "./pairs";

const HIGH = 76; // pixels of a row

const FOUND = {
  both: { sign: "↔", says: "each is the most similar to the other" },
  a: { sign: "→", says: "B's is the most similar to A's, which is not so the other way round" },
  b: { sign: "←", says: "A's is the most similar to B's, which is not so the other way round" },
};

export interface PairListProps {
  pairs: readonly Pair[];
  a: Indexed;
  b: Indexed;
}

export function PairList({ pairs, a, b }: PairListProps) {
  const store = useStore();
  const virtual = useVirtual(pairs.length, HIGH, 0);
  const before = useRef(pairs);
  useEffect(() => {
    if (before.current !== pairs) virtual.box.current?.scrollTo({ top: 0 });
    before.current = pairs;
  }, [pairs]);
  const drawn = pairs.slice(virtual.first, virtual.last);
  return (
    <div class="pairs" ref={virtual.box} tabIndex={0} role="region" aria-label="Pairs; scrolls" style={{ "--high": `${HIGH}px` }} onMouseLeave={() => (store.pointed.value = null)}>
      <div style={{ height: `${virtual.span}px` }}>
        <ul class="drawn" role="list" style={{ transform: `translateY(${virtual.top}px)` }}>
          {drawn.map((pair, at) => (
            <li key={`${pair.a} ${pair.b}`} aria-posinset={virtual.first + at + 1} aria-setsize={pairs.length}>
              <Half side="a" index={a} row={pair.a} />
              <Between pair={pair} />
              <Half side="b" index={b} row={pair.b} />
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

function Half({ side, index, row }: { side: "a" | "b"; index: Indexed; row: number }) {
  const store = useStore();
  const { pointed } = store as { pointed: ReadonlySignal<{ index: number; row: number } | null> };
  const lit = useComputed(() => pointed.value?.index === index.number && pointed.value.row === row).value;
  const point = () => (store.pointed.value = { index: index.number, row });
  const label = index.label(row) ?? index.names.get(row);
  return (
    <a class={`half ${side} ${lit ? "pointed" : ""}`} href={componentHref(store, index, row)} onMouseEnter={point} onFocus={point}>
      <Crops index={index} row={row} count={3} />
      <span class="called">
        {label ? (
          <b title={label}>
            <bdi>{label}</bdi>
          </b>
        ) : (
          <i>{index.labels.value.state === "loading" ? "…" : "no label"}</i>
        )}
        <small>
          <bdi>{brief(index.id(row))}</bdi>
        </small>
      </span>
    </a>
  );
}

function Between({ pair }: { pair: Pair }) {
  const { sign, says } = FOUND[pair.nearest];
  const shared = pair.shared.a === true || pair.shared.b === true;
  return (
    <span class={`between ${shared ? "shared" : "unique"}`}>
      <span class="value">{rounded(pair.similarity)}</span>
      <span class="ground" aria-hidden="true">
        <span style={{ width: `${100 * Math.max(0, pair.similarity)}%` }} />
      </span>
      <span class="kind" title={says}>
        <span role="img" aria-label={says}>
          {sign}
        </span>{" "}
        {shared ? "shared" : pair.shared.a === false && pair.shared.b === false ? "chance" : `only ${pair.shared.a === false ? "A" : "B"}`}
      </span>
    </span>
  );
}
