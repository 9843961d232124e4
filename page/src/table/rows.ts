/** Which components the table shows, and in what order: all of it from the URL. */

import type { Store } from "../data/store";
import type { Column } from "./columns";
import { type Range, inside } from "./ranges";
import { ranks, sorted } from "./sorting";

export interface Sort {
  key: string;
  down: boolean;
}

export function parseSort(text: string): Sort | null {
  return text ? { key: text.replace(/^-/, ""), down: text.startsWith("-") } : null;
}

/** What a click on the column's name does: the way one looks first, the other way, and back to none. */
export function nextSort(column: Column, now: Sort | null): string | null {
  const first = column.kind === "number" && !column.rising;
  if (now?.key !== column.key) return `${first ? "-" : ""}${column.key}`;
  return now.down === first ? `${first ? "" : "-"}${column.key}` : null;
}

/** The columns that the reader chose, in their order; those that are shown by themselves if there is no choice. */
export function chosen(columns: readonly Column[], text: string | null): Column[] {
  if (text === null) return columns.filter((one) => one.shown);
  const keys = text.split(",");
  return columns.filter((one) => keys.includes(one.key));
}

/** The components that pass all filters, in the order asked for. */
export function shownRows(store: Store, columns: readonly Column[], ranges: readonly Range[], sort: Sort | null): Int32Array {
  const tests = ranges.flatMap((range) => {
    const column = columns.find((one) => one.key === range.key && one.kind === "number");
    return column && !column.waits ? [{ range, column }] : []; // no value is no reason to hide all as long as it may come
  });
  const passes = (row: number) => tests.every(({ range, column }) => inside(range, column.value(row)));
  const by = sort && columns.find((one) => one.key === sort.key && one.kind !== "picture");
  if (!by) return tests.length ? store.order.value.filter(passes) : store.order.value;
  const rows = Int32Array.from(store.kept.value.keys()).filter((row) => store.kept.value[row] && passes(row));
  const alphabet = by.text && Number.isNaN(by.value(0)); // layers and components have an order of their own
  return sorted(rows, alphabet ? ranks(rows, by.text!) : by.value, sort.down);
}
