/** What is shown, as a file: tables as CSV, JSON or Parquet, charts as SVG or PNG. */

import type { Store } from "../data/store";
import { bodyOf } from "../data/transport";
import { standalone } from "./standalone";

export type Cell = string | number | boolean | null | undefined;
/** What is shown: every column's name with its values, row by row, in the order on the screen. */
export type Columns = Record<string, readonly Cell[]>;
export type TableKind = "csv" | "json" | "parquet";
export type ChartKind = "svg" | "png";

const FINER = 2; // pixels of a PNG for each on the screen
const FORMULA = /^[=+\-@\t\r]/; // what a spreadsheet would compute, from a text that anybody may have written

/** Hands a file to the reader. */
export function download(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href: address, download: fileName(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Saves exactly these columns and rows; `name` is that of the file, without its ending. Throws Refused with the
 *  server's words where it cannot write Parquet. */
export async function saveTable(name: string, columns: Columns, kind: TableKind, store: Store): Promise<void> {
  download(`${name}.${kind}`, await tableFile(name, columns, kind, store));
}

async function tableFile(name: string, columns: Columns, kind: TableKind, store: Store): Promise<Blob> {
  if (kind === "csv") return new Blob([csv(columns)], { type: "text/csv;charset=utf-8" });
  if (kind === "json") return new Blob([json(columns)], { type: "application/json" });
  const asked = JSON.stringify({ name, columns: mapped(columns, plain) });
  const answer = await store.transport.post(store.index.peek().at("table.parquet"), asked);
  return new Blob([bodyOf(answer)], { type: "application/vnd.apache.parquet" });
}

/** The table as RFC 4180 has it; no text of it is a formula to a spreadsheet. */
export function csv(columns: Columns): string {
  const names = Object.keys(columns);
  const lines = [names.map(field).join(",")];
  const values = Object.values(columns);
  for (let row = 0; row < (values[0]?.length ?? 0); row++) lines.push(values.map((one) => field(one[row])).join(","));
  return lines.join("\r\n") + "\r\n";
}

function field(cell: Cell): string {
  const value = plain(cell);
  if (value === null) return "";
  const text = typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The table as a list of objects, one for each row. */
export function json(columns: Columns): string {
  const names = Object.keys(columns);
  const count = columns[names[0] ?? ""]?.length ?? 0;
  const rows = Array.from({ length: count }, (_, row) => JSON.stringify(Object.fromEntries(names.map((name) => [name, plain(columns[name]![row])]))));
  return rows.length ? `[\n${rows.join(",\n")}\n]\n` : "[]\n";
}

/** A value that JSON has: what is no number is null. */
function plain(cell: Cell): string | number | boolean | null {
  return cell === undefined || (typeof cell === "number" && !Number.isFinite(cell)) ? null : cell;
}

function mapped(columns: Columns, to: (cell: Cell) => Cell): Record<string, Cell[]> {
  return Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values.map(to)]));
}

/** Saves a chart as it is on the screen: its colours, letters and pictures go into the file. */
export async function saveChart(svg: SVGSVGElement, name: string, kind: ChartKind): Promise<void> {
  const { element, width, height } = await standalone(svg);
  const file = new Blob([new XMLSerializer().serializeToString(element)], { type: "image/svg+xml;charset=utf-8" });
  download(`${name}.${kind}`, kind === "svg" ? file : await painted(file, width, height));
}

async function painted(file: Blob, width: number, height: number): Promise<Blob> {
  const address = URL.createObjectURL(file);
  try {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: Math.ceil(width * FINER), height: Math.ceil(height * FINER) });
    canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const found = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (!found) throw new Error("the chart is too large for a picture: save it as SVG");
    return found;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** A name that every file system takes. */
function fileName(name: string): string {
  return name.replace(/[\u0000-\u001f\\/:*?"<>|]+/g, "-").slice(-150);
}
