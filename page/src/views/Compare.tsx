/** What two models, or two layers, share: how much of each is in the other, and which component matches which. */

import { useMemo, useRef } from "preact/hooks";
import { Changes } from "../compare/Changes";
import { Overview } from "../compare/Overview";
import { PairList } from "../compare/PairList";
import { Sides } from "../compare/Sides";
import { useComparison } from "../compare/ask";
import { type Pair, type Show, belongs, pairsOf } from "../compare/pairs";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Comparison } from "../data/types";
import { Await } from "../ui/Await";
import { SaveAs } from "../ui/SaveAs";
import { type Columns, saveChart, saveTable } from "../ui/save";
import { counted, grouped } from "../ui/words";

export function CompareView() {
  const store = useStore();
  return (
    <div class="compare-view">
      <h1>Compare</h1>
      <p class="explains">How much of what one model, or one layer, has learned is in another: each component beside its nearest on the other side.</p>
      {reason(store.indexes, store.session.comparable) ?? <Held />}
    </div>
  );
}

/** Why there is nothing to compare, and what to do. */
function reason(indexes: readonly Indexed[], comparable: boolean) {
  const [first, second] = indexes;
  if (second && !comparable) {
    return (
      <div class="absent">
        <p>
          <bdi>{first!.info.name}</bdi> was described by the foundation model <bdi>{first!.info.foundation.name}</bdi> and <bdi>{second.info.name}</bdi> by <bdi>{second.info.foundation.name}</bdi>
          {first!.info.foundation.name === second.info.foundation.name && " with other weights"}: each places pictures in a space of its own, and a distance between two such spaces means nothing.
        </p>
        <p>Build one of the indexes again with the foundation model of the other, and open both with `semlens serve A B`.</p>
      </div>
    );
  }
  if (!second && first!.info.layers.length < 2) {
    return <p class="absent">This index has a single layer, so there is nothing to hold it against. Open two indexes with `semlens serve A B`.</p>;
  }
  return null;
}

function Held() {
  const store = useStore();
  const params = store.place.route.value.params;
  const two = store.indexes.length > 1;
  const layers = store.indexes[0]!.info.layers.map((one) => one.layer);
  const a = params.get("a") ?? (two ? "" : layers.find((one) => one !== params.get("b"))!);
  const b = params.get("b") ?? (two ? "" : layers.findLast((one) => one !== a)!);
  const found = useComparison(store, a, b);
  return (
    <>
      <Sides a={a} b={b} />
      <div class="held">
        <Await of={found} what="comparison">
          {(comparison) => <Found comparison={comparison} />}
        </Await>
      </div>
    </>
  );
}

function Found({ comparison }: { comparison: Comparison }) {
  const store = useStore();
  const { place } = store;
  const params = place.route.value.params;
  const chart = useRef<SVGSVGElement>(null);
  const [a, b] = comparison.sides.map((one) => store.indexes[one.index]!) as [Indexed, Indexed];
  const show = (["shared", "a", "b"].find((one) => one === params.get("show")) ?? "all") as Show;
  const rising = params.get("sort") === "similarity";
  const every = useMemo(() => pairsOf(comparison), [comparison]);
  const kept = store.kept.value;
  const here = store.index.value;
  const passing = useMemo(() => every.filter((pair) => passes(pair, a, b, here, kept)), [every, kept, here]);
  const pairs = useMemo(() => {
    const found = passing.filter((pair) => belongs(pair, show));
    return rising ? found.reverse() : found;
  }, [passing, show, rising]);
  const names: [Show, string][] = [["all", "All pairs"], ["shared", "Shared"], ["a", "Unique to A"], ["b", "Unique to B"]];
  const name = `${comparison.sides.map((one) => one.name).join(" and ")} compared`;
  const kinds = store.session.can.parquet ? (["csv", "json", "parquet"] as const) : (["csv", "json"] as const);
  return (
    <>
      <Overview comparison={comparison} chart={chart} />
      <div class="key">
        <p class="hint">{comparison.by === "encoding" ? "By encoding: two components are as similar as what their responses over all images predict correlates. " : ""}Bar: mean similarity of one side's components with their best match on the other, with its 95 % interval. Tall band: what as many random components reach. {comparison.pairs.some((one) => one.untrained !== null) && "Dotted line: what as many components of the untrained network reach. "}“Shared”: nearer than chance comes.</p>
        <SaveAs what="the chart" kinds={["svg", "png"] as const} save={(kind) => saveChart(chart.current!, name, kind)} />
      </div>
      <Changes comparison={comparison} />
      <div class="tools">
        <span class="buttons" role="group" aria-label="Which pairs">
          {names.map(([key, says]) => (
            <button key={key} type="button" class="button" aria-pressed={show === key} onClick={() => place.set({ show: key === "all" ? null : key }, true)}>
              {says} <span class="of">{grouped(passing.filter((pair) => belongs(pair, key)).length)}</span>
            </button>
          ))}
        </span>
        <button type="button" class="button" onClick={() => place.set({ sort: rising ? null : "similarity" }, true)}>
          {rising ? "Least similar first ▲" : "Most similar first ▼"}
        </button>
        <p class="how-many" role="status">
          <b>{counted(pairs.length, "pair")}</b>
          {passing.length < every.length && " of components that pass your filters"}
        </p>
        <SaveAs what="the pairs" kinds={kinds} save={(kind) => saveTable(name, file(pairs, a, b), kind, store)} />
      </div>
      <PairList pairs={pairs} a={a} b={b} />
    </>
  );
}

/** Whether one of the two passes the reader's filters, which speak of the index that is looked at. */
function passes(pair: Pair, a: Indexed, b: Indexed, here: Indexed, kept: Uint8Array): boolean {
  return (a === here && kept[pair.a] === 1) || (b === here && kept[pair.b] === 1);
}

function file(pairs: readonly Pair[], a: Indexed, b: Indexed): Columns {
  return {
    a: pairs.map((one) => a.id(one.a)),
    a_label: pairs.map((one) => a.label(one.a)),
    b: pairs.map((one) => b.id(one.b)),
    b_label: pairs.map((one) => b.label(one.b)),
    similarity: pairs.map((one) => one.similarity),
    nearest: pairs.map((one) => one.nearest),
    shared: pairs.map((one) => belongs(one, "shared")),
    q_value: pairs.map((one) => one.q),
  };
}
