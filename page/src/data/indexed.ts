/** One concept index as the page knows it: columns over its components, each fetched once. */

import { type ReadonlySignal, type Signal, computed, signal } from "@preact/signals";
import { type Loaded, loaded } from "./load";
import { unpack } from "./safetensors";
import { type Transport, bodyOf, jsonOf } from "./transport";
import type { Annotations, Atlas, Base, ClassRelevance, Component, IndexInfo, Labels, LayerSummary, Scores, Tag } from "./types";

export interface LabelColumns extends Labels {
  phrases: string[];
  fdr: number;
  by: "encoding" | "examples";
}
export interface ScoreColumns extends Scores {
  summary: LayerSummary[];
}
export interface AtlasColumns extends Atlas {
  names: string[]; // of the clusters; empty: none
  drawing: string;
  by: string;
}

export class Indexed {
  readonly count: number; // components
  readonly labels: Signal<Loaded<LabelColumns>>;
  readonly scores: Signal<Loaded<ScoreColumns>>;
  readonly atlas: Signal<Loaded<AtlasColumns>>;
  readonly annotations = signal<Annotations>({ where: "", rows: [], undo: null });
  private readonly annotated: ReadonlySignal<Map<number, Annotations["rows"][number]>> = computed(
    () => new Map(this.annotations.value.rows.map((one) => [one.row, one])),
  );
  private readonly relevances = new Map<number, Signal<Loaded<ClassRelevance>>>();
  private readonly components = new Map<number, Promise<Component>>();
  private readonly told = new Map<number, Component>();

  constructor(
    readonly number: number,
    readonly info: IndexInfo,
    readonly base: Base,
    readonly names: ReadonlyMap<number, string>, // the model's own, by row
    private readonly transport: Transport,
    annotated: boolean,
  ) {
    this.count = info.components;
    this.labels = loaded(async () => {
      const { arrays, metadata } = await this.arrays("labels");
      return { ...(arrays as unknown as Labels), phrases: JSON.parse(metadata.phrases!), fdr: Number(metadata.fdr), by: metadata.by === "encoding" ? "encoding" : "examples" };
    });
    this.scores = loaded(async () => {
      const { arrays, metadata } = await this.arrays("scores");
      return { ...(arrays as unknown as Scores), summary: JSON.parse(metadata.summary!) };
    });
    this.atlas = loaded(async () => {
      const { arrays, metadata } = await this.arrays("atlas");
      return { ...(arrays as unknown as Atlas), names: JSON.parse(metadata.names!), drawing: metadata.drawing!, by: metadata.by! };
    });
    if (annotated) void transport.get(`${number}/annotations`).then((answer) => (this.annotations.value = jsonOf(answer)));
  }

  /** The address below which the server keeps what is this index's. */
  at(path: string): string {
    return `${this.number}/${path}`;
  }

  async arrays(path: string) {
    return unpack(bodyOf(await this.transport.get(this.at(path))));
  }

  /** What every component contributes to a class; asked for once. */
  relevance(number: number): Signal<Loaded<ClassRelevance>> {
    const known = this.relevances.get(number);
    if (known) return known;
    const found = loaded(async () => (await this.arrays(`relevance/${number}`)).arrays as unknown as ClassRelevance);
    this.relevances.set(number, found);
    return found;
  }

  /** All about one component; asked for once, unless that failed, or it is wanted anew. */
  component(row: number, anew = false): Promise<Component> {
    const known = this.components.get(row);
    if (known && !anew) return known;
    const found = this.transport.get(this.at(`component/${row}`)).then((answer) => {
      const told = jsonOf<Component>(answer);
      this.told.set(row, told);
      return told;
    });
    found.catch(() => this.components.delete(row));
    this.components.set(row, found);
    return found;
  }

  /** The same, if it has been told already. */
  known(row: number): Component | undefined {
    return this.told.get(row);
  }

  /** What a component is written as: layer:unit. */
  id(row: number): string {
    const layer = this.info.layers[this.base.layer[row]!]!;
    return `${layer.layer}:${row - layer.start}`;
  }

  /** The row of layer:unit, or of a layer and a unit; -1 if there is none. */
  row(layer: string, unit: number): number {
    const found = this.info.layers.find((one) => one.layer === layer);
    const row = found ? found.start + unit : -1;
    return found && Number.isInteger(unit) && row >= found.start && row < found.stop ? row : -1;
  }

  /** A component's page, as a route's path. */
  path(row: number): string[] {
    const layer = this.info.layers[this.base.layer[row]!]!;
    return ["m", this.info.name, layer.layer, String(row - layer.start)];
  }

  /** Its label as the reader or the foundation model gave it; null where chance fits as well. */
  label(row: number): string | null {
    const mine = this.annotation(row)?.label;
    if (mine) return mine;
    const labels = this.labels.value;
    const at = labels.state === "ready" ? labels.value.label[row]! : -1;
    return at >= 0 && labels.state === "ready" ? labels.value.phrases[at]! : null;
  }

  /** Whether it is one of the model's outputs. */
  output(row: number): boolean {
    return this.info.layers[this.base.layer[row]!]!.outputs;
  }

  /** What to call it: its label, else the model's own name, else layer:unit. An output keeps the name that the model
   *  gives it: there a label is a finding. */
  title(row: number): string {
    if (this.output(row) && this.names.has(row)) return this.annotation(row)?.label || this.names.get(row)!;
    return this.label(row) ?? this.names.get(row) ?? this.id(row);
  }

  /** All that words are looked for in: what it is called, and the model's own name where that is another one. */
  called(row: number): string {
    const title = this.title(row);
    const others = [this.names.get(row), this.label(row)].filter((one) => one && one !== title);
    return [title, ...new Set(others)].join("\n");
  }

  annotation(row: number) {
    return this.annotated.value.get(row);
  }

  tag(row: number): Tag | null {
    return this.annotation(row)?.tag ?? null;
  }

  /** Keeps a tag, a note or a label of the reader's. */
  async annotate(change: { row: number; tag?: Tag | null; note?: string; label?: string }): Promise<void> {
    this.annotations.value = jsonOf(await this.transport.post(this.at("annotations"), JSON.stringify(change)));
  }

  /** Takes the last change back. */
  async undo(): Promise<void> {
    this.annotations.value = jsonOf(await this.transport.post(this.at("annotations/undo"), "{}"));
  }
}

/** The index with what every view needs. */
export async function openIndex(transport: Transport, number: number, info: IndexInfo, annotated: boolean): Promise<Indexed> {
  const { arrays, metadata } = unpack(bodyOf(await transport.get(`${number}/base`)));
  const names = new Map(JSON.parse(metadata.names ?? "[]") as [number, string][]);
  return new Indexed(number, info, arrays as unknown as Base, names, transport, annotated);
}
