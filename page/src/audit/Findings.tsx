/** The components worth a look, in four lists, to be judged one after the other by keyboard. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Store, useStore } from "../data/store";
import type { Tag } from "../data/types";
import { GUIDE, type Keys, useKeys } from "../ui/keys";
import { UNFILTERED, filtered } from "../ui/links";
import { SaveAs } from "../ui/SaveAs";
import { saveTable } from "../ui/save";
import { AuditCard } from "./AuditCard";
import { tableOf } from "./files";
import { TAGS, judge, takeBack } from "./Judge";
import { type Judged, LISTS, type List, members, narrowed } from "./lists";
import { fileName } from "./spec";
import type { AuditState } from "./state";
import { count } from "./words";

const SHOWN = 12; // cards, until more are asked for

GUIDE.push({
  where: "Audit",
  keys: [
    { keys: ["j", "k"], says: "next and previous component of the list; the arrow keys too" },
    { keys: ["1", "2", "3"], says: "judge it valid, spurious, unsure; the same key again takes that off" },
    { keys: ["0"], says: "no judgement" },
    { keys: ["u"], says: "undo the last change" },
  ],
});

const JUDGED: { judged: Judged; name: string }[] = [
  { judged: "all", name: "all" },
  { judged: "open", name: "not judged yet" },
  { judged: "valid", name: "valid" },
  { judged: "spurious", name: "spurious" },
  { judged: "unsure", name: "unsure" },
];

/** What the lists show, as the URL has it. */
function asked(store: Store): { list: List; judged: Judged; concept: string | null } {
  const { params } = store.place.route.value;
  const list = LISTS.find((one) => one.list === params.get("list"))?.list ?? "offenders";
  const judged = JUDGED.find((one) => one.judged === (params.get("tag") ?? params.get("judged")))?.judged ?? "all";
  return { list, judged, concept: params.get("ac") };
}

export function Findings({ state }: { state: AuditState }) {
  const store = useStore();
  const { index } = state;
  const counted = state.settled.value!;
  const { list, judged, concept } = asked(store);
  const whole = members(counted, list);
  const at = narrowed(counted, whole, index, store.kept.value, concept, judged);
  return (
    <section class="findings" aria-label="Components">
      <h3>Components to look at</h3>
      <Tabs counted={LISTS.map((one) => (one.list === list ? whole : members(counted, one.list)).length)} list={list} />
      <p class="hint">{LISTS.find((one) => one.list === list)!.says}</p>
      <Progress state={state} whole={whole} judged={judged} />
      {concept && (
        <p class="by-concept">
          Only those that fit <strong><bdi>{concept.slice(concept.indexOf(":") + 1)}</bdi></strong> best of the {concept.split(":")[0]} concepts.{" "}
          <button type="button" onClick={() => store.place.set({ ac: null })}>
            Show all
          </button>
        </p>
      )}
      <p class="tools">
        <span>
          {at.length === whole.length ? count(at.length, "component") : `${at.length.toLocaleString("en-GB")} of ${count(whole.length, "component")}`}
        </span>
        {at.length > 0 && <SaveAs what="this list" kinds={["csv", "json"]} save={(kind) => saveTable(`${fileName(counted.audit.output)}-${list}`, tableOf(index, counted, at), kind, store)} />}
      </p>
      {at.length ? <Cards key={list} state={state} at={at} /> : <Nothing whole={whole.length} />}
    </section>
  );
}

function Tabs({ counted, list }: { counted: number[]; list: List }) {
  const { place } = useStore();
  return (
    <div class="lists" role="group" aria-label="Which components">
      {LISTS.map((one, at) => (
        <button key={one.list} type="button" aria-pressed={one.list === list} onClick={() => place.set({ list: one.list === "offenders" ? null : one.list })}>
          {one.name} <span class="n">{counted[at]!.toLocaleString("en-GB")}</span>
        </button>
      ))}
    </div>
  );
}

function Nothing({ whole }: { whole: number }) {
  const store = useStore();
  if (!whole) return <p class="none">None.</p>;
  return (
    <p class="none">
      None passes the filters.{" "}
      <button type="button" onClick={() => store.place.set({ ...(filtered(store.place) ? UNFILTERED : {}), ac: null, judged: null })}>
        Show all
      </button>
    </p>
  );
}

/** How far the reader has come, which judgements are shown, and the way back. */
function Progress({ state, whole, judged }: { state: AuditState; whole: number[]; judged: Judged }) {
  const store = useStore();
  const { index } = state;
  if (!store.session.can.annotate) return null;
  const rows = state.settled.value!.audit.rows;
  const done = whole.filter((at) => index.tag(rows[at]!.row)).length;
  const undo = index.annotations.value.undo;
  const show = (one: Judged) => store.place.set({ tag: one === "all" || one === "open" ? null : one, judged: one === "open" ? one : null });
  return (
    <div class="progress">
      <p role="status">
        <progress value={done} max={Math.max(whole.length, 1)} aria-hidden="true" /> {done.toLocaleString("en-GB")} of {whole.length.toLocaleString("en-GB")} judged
      </p>
      <label>
        Show{" "}
        <select aria-label="Show" value={judged} onChange={(event) => show(event.currentTarget.value as Judged)}>
          {JUDGED.map((one) => (
            <option key={one.judged} value={one.judged}>
              {one.name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" disabled={!undo} title={undo ? `Take back: ${undo}` : "Nothing to take back"} onClick={() => void takeBack(store, index)}>
        Undo <kbd aria-hidden="true">u</kbd>
      </button>
      <p class="hint keys">
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>1</kbd> valid, <kbd>2</kbd> spurious, <kbd>3</kbd> unsure, <kbd>0</kbd> none
      </p>
    </div>
  );
}

function Cards({ state, at }: { state: AuditState; at: number[] }) {
  const store = useStore();
  const { index } = state;
  const counted = state.settled.value!;
  const [current, setCurrent] = useState(at[0]!); // in the answer, so that a filter does not move it
  const [most, setMost] = useState(SHOWN);
  const [moving, setMoving] = useState(0);
  const place = useRef<HTMLElement>(null);
  const here = Math.max(0, at.indexOf(current));
  const go = (next: number) => {
    const to = Math.min(Math.max(next, 0), at.length - 1);
    setCurrent(at[to]!);
    if (to >= most) setMost(to + SHOWN - (to % SHOWN));
    setMoving(moving + 1);
  };
  useEffect(() => {
    if (moving) place.current?.focus();
  }, [moving]);
  const entered = () => place.current?.contains(document.activeElement) ?? false;
  const tag = (one: Tag | null) => store.session.can.annotate && void judge(store, index, counted.audit.rows[at[here]!]!.row, one);
  const keys: Keys = { j: () => go(entered() ? here + 1 : here), k: () => go(entered() ? here - 1 : here), u: () => void takeBack(store, index) };
  for (const one of TAGS) keys[one.key] = () => (tag(one.tag), go(here));
  keys["0"] = () => index.tag(counted.audit.rows[at[here]!]!.row) && tag(null);
  useKeys(keys);
  const arrows = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const columns = getComputedStyle(event.currentTarget).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step || event.target !== place.current) return;
    event.preventDefault();
    go(here + step);
  };
  const rows = counted.audit.rows;
  const top = rows.length ? Math.max(rows[0]!.relevance, ...at.slice(0, most).map((one) => rows[one]!.against)) : 1;
  return (
    <>
      <div class="finding-cards" onKeyDown={arrows}>
        {at.slice(0, most).map((one, n) => (
          <AuditCard key={one} {...{ state, counted, top }} at={one} current={n === here} place={n === here ? place : null} enter={() => setCurrent(one)} />
        ))}
      </div>
      {at.length > most && (
        <p>
          <button type="button" onClick={() => setMost(most + SHOWN)}>
            Show {Math.min(SHOWN, at.length - most)} more
          </button>
        </p>
      )}
    </>
  );
}
