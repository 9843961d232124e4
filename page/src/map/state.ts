/** What the map knows, as signals: what is drawn follows from the store, the URL and the reader's tools. No screen. */

import { type ReadonlySignal, type Signal, computed, signal } from "@preact/signals";
import { type Loaded, valueOf } from "../data/load";
import type { Store } from "../data/store";
import { type Camera, type View, WHOLE } from "./camera";
import { type ColourBy, type Colouring, clusterNames, colourBy, colouring } from "./colouring";
import type { Looks, PointLayer } from "./layer";
import { type Combine, combined } from "./lasso";
import { type Shown, colourOf, isFiltered, looksOf, visibleOf } from "./looks";
import { type MapModel, modelOf, partOf, pointOf } from "./model";
import type { Colour } from "./palette";
import { NOTHING, type Scenery, clusterPlaces } from "./scenery";
import type { Theme } from "./theme";

export type Mode = "pan" | "lasso" | "box";

const HITS = 5;
const DAY: Theme = {
  dark: false, ground: [255, 255, 255], ink: "#1c2128", soft: "#57606a", plain: [150, 157, 166],
  accent: "#0b63b0", panel: "#f6f7f9", line: "#d9dde3", font: "sans-serif",
}; // prettier-ignore

export class MapState {
  readonly camera = signal<Camera>(WHOLE);
  readonly view = signal<View>({ width: 0, height: 0, halfX: 1, halfY: 1 });
  readonly theme = signal<Theme>(DAY);
  readonly kind = signal<PointLayer["kind"] | null>(null); // how the points are drawn
  readonly mode = signal<Mode>("pan");
  readonly combine = signal<Combine>("new");
  readonly line = signal<readonly number[] | null>(null); // being drawn, CSS pixels
  readonly hover = signal(-1); // point
  readonly pinned = signal(-1);
  readonly lit = signal<number | null>(null); // group of the legend that is pointed at
  readonly scenery: Signal<Scenery> = signal(NOTHING);
  readonly said = signal(""); // for those who do not see the map

  readonly found: ReadonlySignal<Loaded<MapModel>>;
  readonly by: ReadonlySignal<ColourBy>;
  readonly colouring: ReadonlySignal<Colouring | null>;
  readonly hidden: ReadonlySignal<ReadonlySet<number>>;
  readonly others: ReadonlySignal<boolean>;
  readonly hits: ReadonlySignal<readonly number[]>;
  readonly visible: ReadonlySignal<Uint8Array>;
  readonly looks: ReadonlySignal<Looks | null>;
  readonly clusters: ReadonlySignal<string[]>;
  readonly places: ReadonlySignal<ReturnType<typeof clusterPlaces>>;

  constructor(readonly store: Store) {
    this.found = computed(() => modelOf(store));
    this.by = computed(() => colourBy(store));
    this.colouring = computed(() => this.model && colouring(store, this.model, this.by.value));
    this.hidden = computed(() => new Set(store.param("hide").split(",").filter(Boolean).map(Number)));
    this.others = computed(() => store.param("other") !== "0");
    this.hits = computed(() => this.topHits());
    this.visible = computed(() => (this.model ? visibleOf(this.model, this.shown()) : new Uint8Array()));
    this.looks = computed(() => this.model && looksOf(this.model, this.visible.value, { ...this.shown(), lit: this.lit.value }));
    this.clusters = computed(() => (this.model ? clusterNames(this.model) : []));
    this.places = computed(() => (this.model ? clusterPlaces(this.model, this.clusters.value, this.standing()) : []));
  }

  /** The points, if they are there. */
  get model(): MapModel | null {
    return valueOf(this.found.value) ?? null;
  }

  private shown(): Shown {
    return {
      colouring: this.colouring.value!,
      hidden: this.hidden.value,
      lit: null,
      active: this.store.index.value.number,
      others: this.others.value,
      kept: this.store.kept.value,
      hits: this.hits.value,
      dark: this.theme.value.dark,
      plain: this.theme.value.plain,
    };
  }

  /** 1 for each point that is drawn and not faded: the names are theirs. */
  private standing(): Uint8Array {
    const part = this.model!.parts.find(({ index }) => index === this.store.index.value)!;
    if (!this.filtered) return this.visible.value;
    const kept = this.store.kept.value;
    return this.visible.value.map((seen, point) => (point >= part.start && point < part.stop ? seen & kept[point - part.start]! : 0));
  }

  private topHits(): number[] {
    const { model, store } = this;
    const found = store.search.value;
    if (!model || !found || !valueOf(found)) return [];
    const number = store.index.value.number;
    return Array.from(store.order.value.subarray(0, HITS), (row) => pointOf(model, number, row)).filter((point) => point >= 0);
  }

  /** The colour of a point, for what is drawn over it. */
  readonly colour: ReadonlySignal<(point: number) => Colour> = computed(() =>
    colourOf(this.colouring.value ?? { kind: "none", why: "" }, this.theme.value.dark, this.theme.value.plain),
  );

  faded(point: number): boolean {
    const part = partOf(this.model!, point);
    return part.index === this.store.index.peek() && !this.store.kept.peek()[point - part.start];
  }

  /** Whether the reader's filters leave something out. */
  get filtered(): boolean {
    return isFiltered(this.store.kept.value, this.store.index.value.base.dead);
  }

  /** Points at a component: here, and in every other view. */
  pointAt(point: number): void {
    this.hover.value = point;
    const part = point >= 0 && this.model ? partOf(this.model, point) : null;
    this.store.pointed.value = part ? { index: part.index.number, row: point - part.start } : null;
  }

  /** Selects what a line caught. */
  caught(points: readonly number[], how: Combine): void {
    const { store } = this;
    const part = this.model!.parts.find(({ index }) => index === store.index.peek())!;
    const rows = points.filter((point) => point >= part.start && point < part.stop).map((point) => point - part.start);
    if (!rows.length && how === "new") {
      this.said.value = store.told.value = "No component of this index lies within the line.";
      return;
    }
    const kept = store.kept.peek();
    const selected = combined(store.selection.peek(), rows, how, () => Array.from(kept.keys()).filter((row) => kept[row]));
    store.select(selected);
    this.said.value = `${selected.length} components selected.`;
  }

  /** Shows or hides a group of the legend, or shows it alone; again: all. */
  toggle(group: number, alone: boolean): void {
    const found = this.colouring.peek();
    if (found?.kind !== "groups") return;
    const hidden = new Set(this.hidden.peek());
    if (alone) {
      const only = found.groups.every((_, at) => hidden.has(at) !== (at === group));
      hidden.clear();
      if (!only) found.groups.forEach((_, at) => at !== group && hidden.add(at));
    } else if (!hidden.delete(group)) hidden.add(group);
    this.store.place.set({ hide: [...hidden].sort((a, b) => a - b).join(",") || null }, true);
  }
}
