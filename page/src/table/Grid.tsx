/** A table of any length: only what is on the screen is in the page. Keys as in the grid pattern of WAI-ARIA. */

import { type ReadonlySignal, useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import { type Column, written } from "./columns";
import type { Marks } from "./marks";
import type { Sort } from "./rows";
import { useVirtual } from "./virtual";

const HIGH = 46; // pixels of a row
const HEAD = 40;
const MEMORY = 500; // rows whose elements are kept for scrolling back

export interface GridProps {
  label: string;
  columns: readonly Column[];
  rows: Int32Array;
  sort: Sort | null;
  marks: Marks;
  pointed: ReadonlySignal<number>; // component that is pointed at in any view; -1: none
  onSort(column: Column): void;
  onOpen(row: number): void;
  onPoint(row: number | null): void;
  onAll(): void; // Ctrl+A
}

export function Grid(props: GridProps) {
  const { columns, rows, marks } = props;
  const name = useId();
  const virtual = useVirtual(rows.length, HIGH, HEAD);
  const before = useRef(rows);
  useEffect(() => {
    if (before.current !== rows) virtual.box.current?.scrollTo({ top: 0 });
    before.current = rows;
  }, [rows]);
  const width = columns.reduce((sum, one) => sum + one.width, 0);
  const template = columns.map((one) => (one.kind === "number" || one.kind === "picture" ? `${one.width}px` : `minmax(${one.width}px, 1fr)`)).join(" ");
  const drawn = Array.from({ length: virtual.last - virtual.first }, (_, at) => virtual.first + at);
  // The element of a row that was drawn before: Preact leaves what is the same object alone, so scrolling costs only what
  // it uncovers.
  const known = useMemo(() => new Map<number, JSX.Element>(), [props]);
  if (known.size > MEMORY) known.clear();
  const element = (at: number) => {
    const found = known.get(at) ?? <Row key={rows[at]} {...props} at={at} id={`${name}-${at}`} />;
    known.set(at, found);
    return found;
  };
  const reached = marks.active >= virtual.first && marks.active < virtual.last;
  return (
    <div
      class="components-grid"
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length}
      aria-multiselectable="true"
      aria-activedescendant={reached ? `${name}-${marks.active}` : undefined}
      ref={virtual.box}
      onKeyDown={(event) => pressed(event, props, virtual.page, virtual.reveal)}
      onMouseLeave={() => props.onPoint(null)}
      style={{ "--columns": template, "--wide": `${width}px`, "--high": `${HIGH}px`, "--head": `${HEAD}px` }}
    >
      <Head {...props} />
      <div class="lines" role="rowgroup" style={{ height: `${virtual.span}px` }}>
        <div class="drawn" role="presentation" style={{ transform: `translateY(${virtual.top}px)` }}>
          {drawn.map(element)}
        </div>
      </div>
    </div>
  );
}

function Head({ columns, sort, onSort }: GridProps) {
  return (
    <div class="heads" role="rowgroup">
      <div role="row" aria-rowindex={1}>
        {columns.map((column, at) => {
          const by = sort?.key === column.key ? (sort.down ? "descending" : "ascending") : undefined;
          return (
            <div key={column.key} role="columnheader" aria-colindex={at + 1} aria-sort={column.kind === "picture" ? undefined : (by ?? "none")} class={look(column)} title={column.why ?? column.says}>
              {column.kind === "picture" ? (
                <span class="unseen">{column.name}</span>
              ) : (
                <button type="button" onClick={() => onSort(column)}>
                  <span class="name">{column.name}</span>
                  <span class="way" aria-hidden="true">
                    {by === "descending" ? "▼" : by === "ascending" ? "▲" : ""}
                  </span>
                </button>
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Row({ at, id, columns, rows, marks, pointed, onOpen, onPoint }: GridProps & { at: number; id: string }) {
  const row = rows[at]!;
  const marked = marks.marked.has(row);
  const here = useComputed(() => pointed.value === row).value;
  const kind = `${marked ? "marked " : ""}${marks.active === at ? "active " : ""}${here ? "pointed" : ""}`;
  const clicked = (event: MouseEvent) => {
    if ((event.target as Element).closest("a")) return;
    marks.mark(at, event.shiftKey ? "to" : event.ctrlKey || event.metaKey ? "also" : "one");
  };
  return (
    <div id={id} role="row" class={kind} aria-rowindex={at + 2} aria-selected={marked} onClick={clicked} onDblClick={() => onOpen(row)} onMouseEnter={() => onPoint(row)}>
      {columns.map((column, number) => (
        <Cell key={column.key} column={column} row={row} number={number + 1} />
      ))}
    </div>
  );
}

function Cell({ column, row, number }: { column: Column; row: number; number: number }) {
  const value = column.bar ? column.value(row) : Number.NaN;
  const part = Math.max(0, Math.min(1, value / (column.bar ?? 1)));
  return (
    <div role="gridcell" aria-colindex={number} class={look(column)}>
      {part > 0 && <span class="fills" aria-hidden="true" style={{ "--part": part.toFixed(3) }} />}
      {column.waits ? (
        <span class="dots" title="being computed">
          …
        </span>
      ) : (
        (column.cell ? column.cell(row) : <span>{written(column, row)}</span>)
      )}
    </div>
  );
}

function look(column: Column): string {
  return `${column.kind} of-${column.key}`;
}

/** Moves, marks, opens: only for keys pressed on the grid itself, not on a button in it. */
function pressed(event: KeyboardEvent, { rows, marks, onOpen, onAll, onPoint }: GridProps, page: number, reveal: (at: number) => void): void {
  if (event.target !== event.currentTarget) return;
  const key = event.key;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a") {
    event.preventDefault();
    return onAll();
  }
  const last = rows.length - 1;
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
  const active = marks.active;
  if (key in steps && last >= 0) {
    event.preventDefault();
    const to = active < 0 ? (key === "End" ? last : 0) : Math.max(0, Math.min(last, active + steps[key]!));
    if (event.shiftKey && active >= 0) marks.mark(to, "to");
    else marks.mark(to, "none");
    onPoint(rows[to]!);
    return reveal(to);
  }
  if (active < 0) return;
  if (key === "Enter") onOpen(rows[active]!);
  else if (key === " ") marks.mark(active, "also");
  else if (key === "Escape" && marks.marked.size) marks.clear();
  else return;
  event.preventDefault();
}
