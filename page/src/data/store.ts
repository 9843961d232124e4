/** What the views share: the indexes, the reader's filters (read from the URL), the search, what is pointed at. */

import { type ReadonlySignal, type Signal, batch, computed, effect, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { type Indexed, openIndex } from "./indexed";
import { type Loaded, settle, valueOf } from "./load";
import type { Place } from "./place";
import { LONGEST, packRows, unpackRows } from "./selection";
import { unpack } from "./safetensors";
import { type Transport, bodyOf, jsonOf } from "./transport";
import type { Found, Session } from "./types";

const PAUSE = 150; // milliseconds of no typing before a text is sent

export interface Search {
  by: "encoding" | "examples";
  value: Float32Array; // what is shown: effect, or alignment of the examples; NaN for a dead component
  rank: Float32Array; // what is ranked by: effect, or alignment
  error: number; // standard error of an effect; 0 by examples
  baseline: number; // value that 95 % of random components stay below, on the scale of what is shown
  probe: string; // what was asked
  remark: string; // words that the foundation model does not know
}

export class Store {
  /** The index that is looked at. */
  readonly index: ReadonlySignal<Indexed>;
  /** What was asked for: the text, or the id of an image. */
  readonly query: ReadonlySignal<string>;
  /** How similar every component is to it; null where nothing is asked. */
  readonly search: Signal<Loaded<Search> | null> = signal(null);
  /** The selected components, ascending; null: no selection. */
  readonly selection: ReadonlySignal<Int32Array | null>;
  /** 1 for each component that passes the reader's filters; the dead never do. */
  readonly kept: ReadonlySignal<Uint8Array>;
  /** The components that pass, the foremost first: the best aligned if something is asked, else those with a
   *  label, the clearest first. */
  readonly order: ReadonlySignal<Int32Array>;
  /** The class whose relevance is shown, by its number; null without relevance. */
  readonly of: ReadonlySignal<number | null>;
  /** The component that is pointed at, in any view. */
  readonly pointed: Signal<{ index: number; row: number } | null> = signal(null);
  /** A line to the reader, such as "link copied". */
  readonly told = signal("");
  /** What was asked for where nothing similar can be found: then labels that contain it are. */
  private readonly typed: ReadonlySignal<string>;
  private readonly params = new Map<string, ReadonlySignal<string>>();
  private readonly large: Signal<Int32Array | null> = signal(null); // a selection too long for the URL

  constructor(
    readonly session: Session,
    readonly indexes: Indexed[],
    readonly place: Place,
    readonly transport: Transport,
  ) {
    const param = (name: string) => this.param(name);
    const path = computed(() => (place.route.value.path[0] === "m" ? place.route.value.path[1] : undefined));
    this.index = computed(() => {
      const asked = indexes[Number(param("i"))];
      if (path.value === undefined || asked?.info.name === path.value) return asked ?? indexes[0]!; // names may be alike
      return indexes.find((one) => one.info.name === path.value) ?? asked ?? indexes[0]!;
    });
    this.query = computed(() => param("q") || (param("image") && `image:${param("image")}`));
    this.selection = computed(() => {
      const text = param("sel");
      if (text === "large") return this.large.value;
      return text ? unpackRows(text, this.index.value.count) : null;
    });
    this.of = computed(() => {
      const classes = this.index.value.info.classes;
      const asked = classes.find((one) => String(one.number) === param("class"));
      return (asked ?? classes.find((one) => one.images > 0) ?? classes[0])?.number ?? null;
    });
    this.typed = computed(() => (this.search.value?.state === "absent" ? param("q") : ""));
    this.kept = computed(() => this.filtered(param));
    this.order = computed(() => this.ranked());
    this.searchOnChange();
  }

  /** A parameter of the URL; who reads it is told when it changes, not when others do. */
  param(name: string): string {
    const known = this.params.get(name);
    if (known) return known.value;
    const found = computed(() => this.place.route.value.params.get(name) ?? "");
    this.params.set(name, found);
    return found.value;
  }

  /** The layers shown, by number; empty: all. */
  layers(): number[] {
    const asked = this.param("layers").split(",").filter(Boolean);
    return this.index.value.info.layers.flatMap(({ layer }, at) => (asked.includes(layer) ? [at] : []));
  }

  /** Selects these components, or none. */
  select(rows: ArrayLike<number> | null): void {
    if (!rows) return this.place.set({ sel: null });
    const text = packRows(rows);
    batch(() => {
      if (text.length > LONGEST) this.large.value = Int32Array.from(Array.from(rows)).sort();
      this.place.set({ sel: text.length > LONGEST ? "large" : text || "none" });
    });
  }

  /** Searches for an image that the reader gave. */
  async searchImage(file: Blob): Promise<void> {
    const index = this.index.peek();
    const found = signal<Loaded<{ id: string }>>({ state: "loading", job: null });
    found.subscribe((now) => {
      if (now.state === "loading" && now.job) this.told.value = `Your picture: ${now.job.step} …`;
    });
    await settle(async () => jsonOf<{ id: string }>(await this.transport.post(index.at("image"), file)), found);
    const now = found.peek();
    if (now.state !== "ready") this.told.value = now.state === "absent" ? now.why : "";
    else {
      const view = this.place.route.peek().path;
      const here = view[0] === "table" || view[0] === "picture" || !index.info.own ? view : ["picture"];
      this.place.go(["table", "picture"].includes(here[0] ?? "") ? here : [], { q: null, image: now.value.id, output: null });
    }
  }

  private filtered(param: (name: string) => string): Uint8Array {
    const index = this.index.value;
    const kept = index.base.dead.map((dead) => 1 - dead);
    const layers = this.layers();
    if (layers.length) for (let row = 0; row < kept.length; row++) if (!layers.includes(index.base.layer[row]!)) kept[row] = 0;
    const selection = this.selection.value;
    if (selection) {
      const inside = new Uint8Array(kept.length);
      for (const row of selection) inside[row] = 1;
      for (let row = 0; row < kept.length; row++) kept[row]! &= inside[row]!;
    }
    for (const words of [param("words"), this.typed.value].map((text) => text.toLowerCase()))
      if (words) for (let row = 0; row < kept.length; row++) if (kept[row] && !index.called(row).toLowerCase().includes(words)) kept[row] = 0;
    const cluster = param("cluster");
    const atlas = cluster === "" ? undefined : valueOf(index.atlas.value);
    if (atlas) for (let row = 0; row < kept.length; row++) if (atlas.cluster[row] !== Number(cluster)) kept[row] = 0;
    const tag = param("tag");
    if (tag) {
      const tags = new Map(index.annotations.value.rows.map((one) => [one.row, one.tag]));
      for (let row = 0; row < kept.length; row++) if (tags.get(row) !== tag) kept[row] = 0;
    }
    return kept;
  }

  private ranked(): Int32Array {
    const kept = this.kept.value;
    const found = this.search.value ? valueOf(this.search.value) : undefined;
    const value = found?.rank ?? valueOf(this.index.value.scores.value)?.clarity;
    const rows = Int32Array.from(kept.keys()).filter((row) => kept[row]);
    if (!value) return rows;
    const high = (row: number) => (Number.isNaN(value[row]!) ? -Infinity : value[row]!);
    // The clearest of all see a plain ground or an edge: without a question those come first that are about something.
    const labels = found ? undefined : valueOf(this.index.value.labels.value);
    const said = (row: number) => (labels && labels.label[row]! >= 0 ? 1 : 0);
    return rows.sort((a, b) => said(b) - said(a) || high(b) - high(a) || a - b);
  }

  private searchOnChange(): void {
    effect(() => {
      const query = this.query.value;
      const index = this.index.value;
      if (!query) {
        this.search.value = null;
        return;
      }
      this.search.value = { state: "loading", job: null };
      const stop = new AbortController();
      const timer = setTimeout(() => void settle(() => this.ask(index, query, stop.signal), this.search as Signal<Loaded<Search>>, stop.signal), PAUSE);
      return () => {
        clearTimeout(timer);
        stop.abort();
      };
    });
  }

  private async ask(index: Indexed, query: string, stop: AbortSignal): Promise<Search> {
    const [kind, value] = query.startsWith("image:") ? ["image", query.slice(6)] : ["text", query];
    const answer = await this.transport.get(index.at(`search?${kind}=${encodeURIComponent(value)}`), stop);
    const { arrays, metadata } = unpack(bodyOf(answer));
    const { alignment, effect } = arrays as unknown as Found;
    const told = { probe: metadata.probe!, remark: metadata.remark ?? "" };
    if (effect) return { ...told, by: "encoding", value: effect, rank: effect, error: Number(metadata.error), baseline: number(metadata.chance) };
    return { ...told, by: "examples", value: alignment, rank: alignment, error: 0, baseline: number(metadata.aligned) };
  }
}

/** A number of the metadata; NaN where it is not known. */
function number(text: string | undefined): number {
  return text === undefined || text === "null" ? NaN : Number(text);
}

/** The store over everything that a transport reaches. */
export async function openStore(transport: Transport, place: Place): Promise<Store> {
  const session = jsonOf<Session>(await transport.get("session"));
  transport.know?.(session.indexes.map((one) => one.digest));
  const indexes = await Promise.all(session.indexes.map((info, at) => openIndex(transport, at, info, session.can.annotate)));
  return new Store(session, indexes, place, transport);
}

const Context = createContext<Store | null>(null);
export const StoreProvider = Context.Provider;

export function useStore(): Store {
  const store = useContext(Context);
  if (!store) throw new Error("no store above this element");
  return store;
}
