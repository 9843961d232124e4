/** The map on the screen: draws when something changed, moves the camera, keeps it in the URL. */

import { effect, untracked } from "@preact/signals";
import { type Camera, WHOLE, between, bounded, fitted, readCamera, scaleOf, toMap, toScreen, writeCamera, zoomAbout } from "./camera";
import { canvasLayer } from "./canvas2d";
import { Crops } from "./crops";
import { gestures } from "./gestures";
import { handOf } from "./hand";
import type { PointLayer } from "./layer";
import { around, within } from "./lasso";
import { type MapModel, boxOf, nearest, pointOf } from "./model";
import { cropSize, paint } from "./overlay";
import { NOTHING, sceneryOf } from "./scenery";
import type { MapState } from "./state";
import { Texts } from "./text";
import { watchTheme } from "./theme";
import { webglLayer } from "./webgl";

const REST = 180; // milliseconds without a movement
const FLIGHT = 420; // milliseconds
const REACH = 14; // CSS pixels from the pointer to a point
const EDGE = 30; // CSS pixels: nearer to the edge a point is hard to see
const MOST_RATIO = 2; // device pixels per CSS pixel: more is not seen, but paid for

export class Scene {
  private readonly layer: PointLayer;
  private readonly context: CanvasRenderingContext2D;
  private readonly crops: Crops;
  private readonly texts = new Texts();
  private readonly ends: (() => void)[] = [];
  private ratio = 0;
  private frame = 0;
  private flight = 0;
  private resting: ReturnType<typeof setTimeout> | undefined;
  private written = "";
  private drawn = false;
  private model: MapModel | null = null;

  constructor(
    private readonly state: MapState,
    private readonly stage: HTMLElement,
    points: HTMLCanvasElement,
    private readonly over: HTMLCanvasElement,
  ) {
    this.layer = webglLayer(points) ?? canvasLayer(points);
    state.kind.value = this.layer.kind;
    this.layer.onRestored(() => this.invalidate());
    this.context = over.getContext("2d")!;
    this.crops = new Crops(state.store.transport, () => this.invalidate());
    this.follow();
    this.ends.push(gestures(over, handOf(this, state)));
  }

  stop(): void {
    for (const end of this.ends) end();
    cancelAnimationFrame(this.frame);
    this.land();
    clearTimeout(this.resting);
    this.crops.stop();
    this.layer.destroy();
    this.state.pointAt(-1);
  }

  /** Everything that makes the map look different, each for itself. */
  private follow(): void {
    const { state, ends } = this;
    const watched = watchTheme(this.stage);
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(this.stage);
    ends.push(watched.stop, () => observer.disconnect());
    ends.push(
      effect(() => void (state.theme.value = watched.theme.value)),
      effect(() => this.takeModel()),
      effect(() => {
        const looks = state.looks.value;
        if (looks) this.layer.look(looks);
        this.rest();
        this.invalidate();
      }),
      effect(() => void [state.camera.value, state.view.value, state.scenery.value, state.line.value, state.theme.value, state.places.value, this.invalidate()]),
      effect(() => void [state.places.value, state.view.value, this.rest()]),
      effect(() => this.followNames()),
      effect(() => this.followUrl()),
      effect(() => this.goWhereAsked()),
    );
  }

  private takeModel(): void {
    const model = this.state.model;
    if (!model || model === this.model) return;
    if (this.model) untracked(() => this.forget());
    this.model = model;
    this.layer.place(model.xy);
    const view = this.state.view.peek();
    this.state.view.value = { ...view, halfX: model.halfX, halfY: model.halfY };
  }

  /** Another map: what was pointed at, hidden and in view on the one before means nothing here. */
  private forget(): void {
    this.state.pinned.value = -1;
    this.state.pointAt(-1);
    this.state.store.place.set({ v: null, hide: null }, true);
    this.move(WHOLE);
  }

  /** Names that come late, or that the reader gives. */
  private followNames(): void {
    for (const { index } of this.state.model?.parts ?? []) void [index.labels.value, index.annotations.value];
    this.rest();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const ratio = Math.min(MOST_RATIO, devicePixelRatio || 1);
    const view = this.state.view.peek();
    if (!width || !height || (view.width === width && view.height === height && ratio === this.ratio)) return;
    this.ratio = ratio;
    this.layer.resize(width, height, ratio);
    this.over.width = Math.round(width * ratio);
    this.over.height = Math.round(height * ratio);
    this.state.view.value = { ...view, width, height };
    this.draw(); // at once: a canvas is empty after its size changed
  }

  invalidate(): void {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (Math.min(MOST_RATIO, devicePixelRatio || 1) !== this.ratio) this.resize();
      this.draw();
    });
  }

  /** How large a point is, in CSS pixels: smaller the more there are, larger the nearer. */
  pointSize(): number {
    const count = this.state.model?.living.length ?? 1;
    return Math.min(15, Math.max(1.6, (26 / count ** 0.22) * this.state.camera.peek().zoom ** 0.35));
  }

  private draw(): void {
    const { state } = this;
    const model = untracked(() => state.model);
    const view = state.view.peek();
    if (!model || !view.width) return;
    if (!this.drawn) performance.mark("map"); // what benchmarks/page.py reads
    this.drawn = true;
    const camera = state.camera.peek();
    const theme = state.theme.peek();
    const scale = scaleOf(camera, view);
    const opacity = Math.min(0.95, Math.max(0.3, 1.5 - 0.2 * Math.log10(model.living.length) + 0.06 * Math.log2(camera.zoom)));
    const pointSize = this.pointSize();
    this.layer.draw({ x: camera.x, y: camera.y, scale, size: pointSize, opacity, ground: theme.ground });
    paint({
      context: this.context, ratio: this.ratio, camera, view, theme, model, pointSize,
      scenery: state.scenery.peek(), hits: untracked(() => state.hits.value.filter((hit) => state.visible.value[hit])), line: state.line.peek(),
      colour: untracked(() => state.colour.value), faded: (point) => untracked(() => state.faded(point)), crops: this.crops, texts: this.texts,
    }); // prettier-ignore
  }

  /** Moves at once. */
  move(camera: Camera): void {
    this.land();
    this.state.camera.value = camera;
    this.rest();
  }

  /** Moves so that the reader can follow, or at once if that is preferred. */
  fly(to: Camera): void {
    this.land();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.move(to);
    const from = this.state.camera.peek();
    const start = performance.now();
    const step = (now: number) => {
      const t = Math.min(1, Math.max(0, (now - start) / FLIGHT));
      this.state.camera.value = between(from, to, t);
      this.flight = t < 1 ? requestAnimationFrame(step) : 0;
      if (!this.flight) this.rest();
    };
    this.flight = requestAnimationFrame(step);
    this.rest();
  }

  private land(): void {
    cancelAnimationFrame(this.flight);
    this.flight = 0;
  }

  zoom(factor: number): void {
    const view = this.state.view.peek();
    this.fly(zoomAbout(this.state.camera.peek(), view, view.width / 2, view.height / 2, factor));
  }

  fitAll(): void {
    this.fly(WHOLE);
  }

  /** Fits what passes the reader's filters into the view. */
  fitKept(): void {
    const { model, store, visible } = this.state;
    const part = model?.parts.find(({ index }) => index === store.index.peek());
    if (!model || !part) return;
    const kept = store.kept.peek();
    const points = Array.from(kept.keys()).filter((row) => kept[row] && visible.peek()[part.start + row]).map((row) => part.start + row);
    if (points.length) this.fly(fitted(boxOf(model.xy, points), this.state.view.peek()));
  }

  /** A point in the middle, with its neighbourhood around. */
  centre(point: number, neighbours = 40): void {
    const { model, camera } = this.state;
    if (!model) return;
    const zoom = Math.max(camera.peek().zoom, Math.min(400, Math.sqrt(model.living.length / neighbours)));
    this.fly(bounded({ x: model.xy[2 * point]!, y: model.xy[2 * point + 1]!, zoom }, this.state.view.peek()));
  }

  /** A point into view, if it is not: no zoom, no more way than needed. */
  reveal(point: number): void {
    const { model, camera, view } = this.state;
    const { width, height } = view.peek();
    const [left, top] = toScreen(camera.peek(), view.peek(), model!.xy[2 * point]!, model!.xy[2 * point + 1]!);
    if (left > EDGE && top > EDGE && left < width - EDGE && top < height - EDGE) return;
    this.fly(bounded({ x: model!.xy[2 * point]!, y: model!.xy[2 * point + 1]!, zoom: camera.peek().zoom }, view.peek()));
  }

  /** Once the camera rests: what there is to read, the crops, the URL. Until then the stage is not `data-still`. */
  private rest(): void {
    clearTimeout(this.resting);
    delete this.stage.dataset.still;
    this.resting = setTimeout(() => this.rested(), REST);
  }

  private rested(): void {
    const { state } = this;
    const model = state.model;
    const view = state.view.peek();
    if (!model || !view.width || this.flight) return; // after a flight it rests again
    this.stage.dataset.still = "";
    state.scenery.value = sceneryOf(model, state.camera.peek(), view, state.visible.peek(), state.places.peek(), state.hits.peek());
    this.crops.want(state.scenery.peek().crops.map((one) => one.path));
    const text = writeCamera(state.camera.peek());
    if (text === (state.store.place.route.peek().params.get("v") ?? "")) return;
    this.written = text;
    state.store.place.set({ v: text }, true);
  }

  /** The camera of the URL, where someone else set it: a link, back, forward. */
  private followUrl(): void {
    const text = this.state.store.param("v");
    if (text === this.written) return;
    this.written = text;
    const camera = text ? readCamera(text) : WHOLE;
    if (camera) untracked(() => (this.state.scenery.peek() === NOTHING ? this.move(camera) : this.fly(camera)));
  }

  /** at=ROW in the URL: that component in the middle, once. */
  private goWhereAsked(): void {
    const { store } = this.state;
    const asked = store.param("at");
    const model = this.state.model;
    if (!asked || !model || !this.state.view.value.width) return;
    const point = pointOf(model, store.index.peek().number, Number(asked));
    untracked(() => {
      store.place.set({ at: null }, true);
      if (point < 0) return void (store.told.value = "This component is not on the map: it has no example.");
      this.state.pinned.value = point;
      this.centre(point);
    });
  }

  /** The point under a place of the screen; -1: none. Crops are larger than points. */
  under(left: number, top: number): number {
    const { model, camera, view, visible, scenery } = this.state;
    if (!model) return -1;
    const [x, y] = toMap(camera.peek(), view.peek(), left, top);
    const crops = scenery.peek().crops.length;
    const reach = crops ? Math.max(REACH, cropSize(view.peek(), crops) / 2) : REACH;
    return nearest(model, x, y, reach / scaleOf(camera.peek(), view.peek()), visible.peek());
  }

  /** The visible points within a line on the screen. */
  inside(line: readonly number[]): number[] {
    const { model, camera, view, visible } = this.state;
    if (!model) return [];
    const onMap: number[] = [];
    for (let at = 0; at < line.length; at += 2) onMap.push(...toMap(camera.peek(), view.peek(), line[at]!, line[at + 1]!));
    const items = model.tree.range(...around(onMap));
    return items.map((item) => model.living[item]!).filter((point) => visible.peek()[point] && within(onMap, model.xy[2 * point]!, model.xy[2 * point + 1]!));
  }

  /** The map as it is seen, names and all, as a PNG. */
  async png(): Promise<Blob> {
    this.draw(); // what WebGL drew is gone after its frame
    const sheet = Object.assign(document.createElement("canvas"), { width: this.over.width, height: this.over.height });
    const context = sheet.getContext("2d")!;
    context.drawImage(this.layer.canvas, 0, 0, sheet.width, sheet.height);
    context.drawImage(this.over, 0, 0);
    return new Promise((done, fail) => sheet.toBlob((blob) => (blob ? done(blob) : fail(new Error("the browser could not write the picture"))), "image/png"));
  }
}
