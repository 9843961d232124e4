/** Specs and results as files, and the specs that the server keeps. */

import { type Loaded, loaded } from "../data/load";
import type { Indexed } from "../data/indexed";
import { type Transport, Pending, bodyOf, jsonOf } from "../data/transport";
import type { Audit, Spec, Specs } from "../data/types";
import type { Signal } from "@preact/signals";
import type { Columns } from "../ui/save";
import { type Counted, needed } from "./recount";
import { figureOf, parseRequirement, spreadOf } from "./requirement";
import { type Draft, draftOf } from "./spec";
import { QUADRANTS } from "./words";

/** An audit that a folder of files holds ready: GET {i}/audits. */
export interface StoredAudit {
  name: string;
  spec: Spec;
  audit: Audit;
}

const audits = new WeakMap<Indexed, Signal<Loaded<StoredAudit[]>>>();

/** The audits that are there already. */
export function auditsOf(transport: Transport, index: Indexed): Signal<Loaded<StoredAudit[]>> {
  const found = audits.get(index) ?? loaded(async () => jsonOf<StoredAudit[]>(await transport.get(index.at("audits"))));
  audits.set(index, found);
  return found;
}

const specs = new WeakMap<Indexed, Signal<Loaded<Specs>>>();

/** The specs to start from. */
export function specsOf(transport: Transport, index: Indexed): Signal<Loaded<Specs>> {
  const found = specs.get(index) ?? loaded(async () => jsonOf<Specs>(await transport.get(index.at("specs"))));
  specs.set(index, found);
  return found;
}

/** Remembers the audit that was just made, as the server does. */
export function madeLast(index: Indexed, spec: Spec, { output, verdict }: Audit): void {
  const known = specs.get(index);
  if (known?.value.state === "ready") known.value = { state: "ready", value: { ...known.value.value, last: { spec, output, verdict } } };
}

/** Keeps a spec under a name, or with null removes it. */
export async function keepSpec(transport: Transport, index: Indexed, name: string, spec: Spec | null): Promise<void> {
  const found = jsonOf<Specs>(await transport.post(index.at("specs"), JSON.stringify({ name, spec })));
  specsOf(transport, index).value = { state: "ready", value: found };
}

/** The spec in a YAML file. */
export async function readSpec(transport: Transport, file: Blob): Promise<Draft> {
  return draftOf(jsonOf<{ spec: Spec }>(await transport.post("spec/read", file)).spec);
}

/** A spec as YAML, with lines of remarks above it. */
export async function writeSpec(transport: Transport, spec: Spec, verdicts: string[] = []): Promise<Blob> {
  const answer = await transport.post("spec/write", JSON.stringify({ spec, verdicts }));
  return new Blob([bodyOf(answer)], { type: "application/yaml" });
}

/** The HTML report. */
export async function writeReport(transport: Transport, index: Indexed, spec: Spec): Promise<Blob> {
  for (;;) {
    try {
      const answer = await transport.post(index.at("report"), JSON.stringify({ spec }));
      return new Blob([bodyOf(answer)], { type: "text/html" });
    } catch (fault) {
      if (!(fault instanceof Pending)) throw fault;
      await new Promise((next) => setTimeout(next, 400));
    }
  }
}

/** The components of some rows as a table, with the quadrants and thresholds in force and the reader's tags. */
export function tableOf(index: Indexed, counted: Counted, at: ArrayLike<number>): Columns {
  const rows = Array.from(at, (one) => ({ ...counted.audit.rows[one]!, quadrant: QUADRANTS[counted.quadrant[one]!]! }));
  const plain = ["component", "label", "quadrant", "relevance", "against", "valid", "spurious", "valid_concept", "spurious_concept", "valid_p", "spurious_p"] as const;
  return {
    ...Object.fromEntries(plain.map((name) => [name, rows.map((row) => row[name])])),
    valid_critical: rows.map((row) => needed(row, "valid", counted.moved)),
    spurious_critical: rows.map((row) => needed(row, "spurious", counted.moved)),
    affected: rows.map((row) => row.affected.join("; ")),
    tag: rows.map(({ row }) => index.tag(row)),
    note: rows.map(({ row }) => index.annotation(row)?.note ?? null),
  };
}

/** What was found and how the reader judges it, in lines. */
export function remarks(index: Indexed, audit: Audit): string[] {
  const verdicts = audit.verdicts.map((one) => {
    const asked = parseRequirement(one.requirement);
    const found = asked ? ` ${figureOf(one.value, asked)} (${spreadOf(one, asked)})` : "";
    const doubt = one.sure || one.verdict === "cannot tell" ? "" : ", not sure";
    return `${one.verdict}${doubt}${one.reason ? ` (${one.reason})` : ""}: ${one.requirement}:${found} in ${one.layer}`;
  });
  const judged = audit.rows.flatMap(({ row, component }) => {
    const mine = index.annotation(row);
    return mine?.tag || mine?.note ? [`${component}: ${[mine.tag, mine.note].filter(Boolean).join(", ")}`] : [];
  });
  return [`audit of ${audit.output} on ${audit.images} images`, ...verdicts, ...judged];
}
