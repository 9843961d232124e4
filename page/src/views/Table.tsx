/** Every component with its measures: to sort, to filter, to take away. */

import { useComputed } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { useStore } from "../data/store";
import { ColumnPicker } from "../table/ColumnPicker";
import { Grid } from "../table/Grid";
import { RangeBar } from "../table/RangeBar";
import { Summary } from "../table/Summary";
import { type Column, columnsOf, valueOfColumn } from "../table/columns";
import { useMarks } from "../table/marks";
import { parseRanges, writeRanges } from "../table/ranges";
import { chosen, nextSort, parseSort, shownRows } from "../table/rows";
import { ClassPicker } from "../ui/ClassPicker";
import { SaveAs } from "../ui/SaveAs";
import { type Columns, saveTable } from "../ui/save";
import { counted, grouped } from "../ui/words";

export function TableView() {
  const store = useStore();
  const { place } = store;
  const index = store.index.value;
  const param = (name: string) => place.route.value.params.get(name);
  const columns = useComputed(() => columnsOf(store)).value;
  const where = param("where") ?? "";
  const ranges = useMemo(() => parseRanges(where), [where]);
  const sort = parseSort(param("sort") ?? "");
  const rows = useSame(useMemo(() => shownRows(store, columns, ranges, sort), [store, columns, ranges, param("sort"), store.order.value]));
  const shown = chosen(columns, param("cols"));
  const marks = useMarks(rows);
  const pointed = useComputed(() => (store.pointed.value?.index === store.index.value.number ? store.pointed.value.row : -1));

  const select = (of: ArrayLike<number>) => {
    store.select(of);
    marks.clear();
    store.told.value = `${counted(of.length, "component")} selected: every view shows only ${of.length === 1 ? "this one" : "these"}`;
  };
  const point = (row: number | null) => (store.pointed.value = row === null ? null : { index: index.number, row });
  return (
    <div class="table-view">
      <h1>Table</h1>
      <p class="explains">
        One row for every component of <bdi>{index.info.model}</bdi>: what it responds to, and how clearly. A click on a column's name sorts by it.
      </p>
      <Summary />
      <div class="tools">
        <Count shown={rows.length} all={index.count} order={orderIn(columns, sort?.key, !!store.search.value)} />
        <RangeBar columns={columns} ranges={ranges} onChange={(next) => place.set({ where: writeRanges(next) }, true)} />
        <ClassPicker label="Relevance for" />
        <ColumnPicker columns={columns} shown={shown} onChange={(keys) => place.set({ cols: keys?.join(",") }, true)} />
        {marks.marked.size > 0 && (
          <span class="marked-rows" role="status">
            {grouped(marks.marked.size)} marked
            <button type="button" class="button" onClick={() => select(Int32Array.from(marks.marked).sort())}>
              Select these
            </button>
            <button type="button" class="button" onClick={marks.clear}>
              Clear
            </button>
          </span>
        )}
        <SaveAs what="the table" kinds={store.session.can.parquet ? (["csv", "json", "parquet"] as const) : (["csv", "json"] as const)} save={(kind) => saveTable(`${index.info.name}-components`, file(shown, rows), kind, store)} />
      </div>
      <Grid
        label="Components"
        columns={shown}
        rows={rows}
        sort={sort}
        marks={marks}
        pointed={pointed}
        onSort={(column) => place.set({ sort: nextSort(column, sort) }, true)}
        onOpen={(row) => place.go(index.path(row), { i: index.number || null })}
        onPoint={point}
        onAll={() => select(rows)}
      />
      {!rows.length && <p class="no-rows">No component passes these filters.</p>}
    </div>
  );
}

/** The list as it was, where a new one says the same: else the table would go back to its top whenever a job proceeds. */
function useSame(rows: Int32Array): Int32Array {
  const now = useRef(rows);
  if (rows !== now.current && (rows.length !== now.current.length || rows.some((row, at) => row !== now.current[at]))) now.current = rows;
  return now.current;
}

function Count({ shown, all, order }: { shown: number; all: number; order: string }) {
  return (
    <p class="how-many" role="status">
      <b>{counted(shown, "component")}</b>
      {shown < all && ` of ${grouped(all)}`}, {order}
    </p>
  );
}

function orderIn(columns: readonly Column[], key: string | undefined, searched: boolean): string {
  const by = columns.find((one) => one.key === key);
  if (by) return `by ${by.name.toLowerCase()}`;
  return searched ? "best match first" : "labelled and clearest first";
}

/** Exactly what is shown: these columns, these rows, in this order. The picture is no value. */
function file(columns: readonly Column[], rows: Int32Array): Columns {
  return Object.fromEntries(columns.filter((one) => one.kind !== "picture").map((one) => [one.file ?? one.key, Array.from(rows, (row) => valueOfColumn(one, row))]));
}
