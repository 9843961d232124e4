/** The audit that the reader works at: the spec as it is written, what the server says of it, the moved thresholds. */

import { type ReadonlySignal, type Signal, batch, computed, effect, signal } from "@preact/signals";
import type { Indexed } from "../data/indexed";
import type { Store } from "../data/store";
import { Pending, jsonOf } from "../data/transport";
import type { Audit, AuditRow, Job, Quadrant } from "../data/types";
import { CHANCE, type Counted, type Moved, recount } from "./recount";
import { madeLast } from "./files";
import { type Draft, asked, decode, encode, missing, specOf } from "./spec";
import { QUADRANTS } from "./words";

const PAUSE = 500; // milliseconds without an edit before the server is asked
const REST = 250; // ... without a move of a threshold before the URL and the lists follow
const AGAIN = 400; // until an audit that is being computed is asked for again

export interface Answer {
  audit: Audit;
  draft: Draft; // what was asked
  key: string;
}

export class AuditState {
  /** The spec as it stands in the form; null: the reader has not begun. */
  readonly draft: Signal<Draft | null> = signal(null);
  /** The last audit that the server made; of an older spec while `stale`. */
  readonly answer: Signal<Answer | null> = signal(null);
  /** Why the server refused the present spec; empty if it did not. */
  readonly fault = signal("");
  /** An audit is on its way, perhaps behind a job. */
  readonly busy: Signal<{ job: Job | null } | null> = signal(null);
  readonly stale: ReadonlySignal<boolean>;
  /** Thresholds in place of chance's, at once; the URL has them when they have come to rest. */
  readonly moved: Signal<Moved> = signal(CHANCE);
  readonly counted: ReadonlySignal<Counted | null>;
  /** The same while no threshold is being moved: for what is too slow to follow. */
  readonly settled: ReadonlySignal<Counted | null>;
  private readonly rest: Signal<Moved> = signal(CHANCE);
  /** Where in the answer a component of the index stands; -1 if it was not audited. */
  readonly at: ReadonlySignal<Int32Array>;
  /** The layer of the chart. */
  readonly layer: ReadonlySignal<string>;
  private written = ""; // what of `spec` in the URL is known here
  private levels = JSON.stringify(CHANCE); // ... and of the thresholds
  private resting: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private turn = 0; // number of the latest question; older answers are dropped

  constructor(
    private readonly store: Store,
    readonly index: Indexed,
  ) {
    const param = (name: string) => store.place.route.value.params.get(name);
    this.stale = computed(() => this.draft.value !== null && this.answer.value?.key !== asked(this.draft.value));
    this.counted = computed(() => (this.answer.value ? recount(this.answer.value.audit, this.moved.value) : null));
    this.settled = computed(() => (this.answer.value ? recount(this.answer.value.audit, this.rest.value) : null));
    this.at = computed(() => {
      const found = new Int32Array(index.count).fill(-1);
      this.answer.value?.audit.rows.forEach((row, at) => (found[row.row] = at));
      return found;
    });
    const wanted = computed(() => param("al") ?? "");
    this.layer = computed(() => {
      const layers = this.answer.value?.audit.layers ?? [];
      return layers.includes(wanted.value) ? wanted.value : (layers.at(-1) ?? "");
    });
  }

  /** Follows the URL while the view is shown; the spec of an earlier visit comes back. Returns what ends it. */
  enter(): () => void {
    const { place } = this.store;
    if (!place.route.peek().params.get("spec") && this.draft.peek()) {
      this.written = "";
      this.write();
    }
    return effect(() => {
      const { path, params } = place.route.value;
      if (path[0] !== "audit" || this.store.index.value !== this.index) return;
      const [spec, levels] = [params.get("spec") ?? "", levelsOf(params)];
      if (spec !== this.written) this.read(spec);
      if (JSON.stringify(levels) !== this.levels) this.settle(levels);
    });
  }

  /** A change to the spec; asked and written to the URL when no other follows. */
  edit(change: Partial<Draft>): void {
    const draft = this.draft.peek();
    if (draft) this.draft.value = { ...draft, ...change };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.write();
      void this.ask();
    }, PAUSE);
  }

  /** Begins with another spec, as a step of the history that "back" undoes. */
  begin(draft: Draft | null): void {
    clearTimeout(this.timer);
    const text = draft ? encode(draft) : "";
    batch(() => {
      this.draft.value = draft;
      this.written = text;
      this.store.place.set({ spec: text || null, tv: null, ts: null, al: null, ac: null, pin: null });
    });
    void this.ask();
  }

  /** Puts thresholds in place of chance's. */
  move(change: Partial<Moved>): void {
    const moved = { ...this.moved.peek(), ...change };
    this.moved.value = moved;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.settle(moved);
      if (this.store.place.route.peek().path[0] === "audit") this.store.place.set({ tv: moved.valid, ts: moved.spurious }, true);
    }, REST);
  }

  /** Where a component stands, by the thresholds in force; null if it was not audited. */
  quadrant(at: number): Quadrant {
    return QUADRANTS[this.counted.value!.quadrant[at]!]!;
  }

  /** What the layer's components with all their examples have to exceed to fit a side; infinite if nothing does. */
  critical(side: "valid" | "spurious"): number {
    const found = this.answer.value?.audit.critical.find((one) => one.layer === this.layer.value);
    return found?.[side] ?? Infinity;
  }

  private read(text: string): void {
    this.written = text;
    const found = text ? decode(text) : null;
    if (text && !found) this.store.told.value = "The address holds a spec that cannot be read.";
    this.draft.value = found;
    void this.ask();
  }

  private write(): void {
    const draft = this.draft.peek();
    if (this.store.place.route.peek().path[0] !== "audit") return;
    this.written = draft ? encode(draft) : "";
    this.store.place.set({ spec: this.written || null }, true);
  }

  private settle(moved: Moved): void {
    clearTimeout(this.resting);
    this.levels = JSON.stringify(moved);
    batch(() => (this.rest.value = this.moved.value = moved));
  }

  private async ask(): Promise<void> {
    const draft = this.draft.peek();
    const turn = ++this.turn;
    const done = (fault: string) =>
      batch(() => {
        this.fault.value = fault;
        this.busy.value = null;
      });
    if (!draft || !this.store.session.can.audit) return done("");
    const key = asked(draft);
    if (missing(draft) || this.answer.peek()?.key === key) return done("");
    this.busy.value = { job: null };
    while (turn === this.turn) {
      try {
        const audit = jsonOf<Audit>(await this.store.transport.post(this.index.at("audit"), JSON.stringify({ spec: specOf(draft) })));
        if (turn !== this.turn) return;
        this.answer.value = { audit, draft, key };
        madeLast(this.index, specOf(draft), audit);
        return done("");
      } catch (fault) {
        if (turn !== this.turn) return;
        if (!(fault instanceof Pending)) return done(fault instanceof Error ? fault.message : String(fault));
        this.busy.value = { job: fault.job };
        await new Promise((next) => setTimeout(next, AGAIN));
      }
    }
  }
}

const kept = new WeakMap<Indexed, AuditState>();

/** The audit of an index, the same as long as the page is open. */
export function auditOf(store: Store, index: Indexed): AuditState {
  const found = kept.get(index) ?? new AuditState(store, index);
  kept.set(index, found);
  return found;
}

/** What a component is called: its label, else the concept that puts it where it stands, else layer:unit. */
export function called(index: Indexed, row: AuditRow, quadrant: Quadrant): string {
  const label = index.annotation(row.row)?.label || row.label || index.names.get(row.row);
  if (label) return label;
  if (quadrant === "neither") return row.component;
  return quadrant === "valid" ? row.valid_concept : row.spurious_concept;
}

function levelsOf(params: URLSearchParams): Moved {
  const level = (name: string) => (params.get(name) && Number.isFinite(Number(params.get(name))) ? Number(params.get(name)) : null);
  return { valid: level("tv"), spurious: level("ts") };
}
