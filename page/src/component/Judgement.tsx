/** What the reader says of the component: a tag, a label of their own, a note. Kept in a file beside the index. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Tag } from "../data/types";
import { Icon } from "../ui/Icon";
import { useKeys } from "../ui/keys";

const TAGS: { tag: Tag; key: string; says: string }[] = [
  { tag: "valid", key: "1", says: "the model may rely on it" },
  { tag: "spurious", key: "2", says: "it should not" },
  { tag: "unsure", key: "3", says: "to be looked at again" },
];
const PAUSE = 800; // milliseconds of no typing before a text is kept

export function Judgement({ index, row }: { index: Indexed; row: number }) {
  const store = useStore();
  const { undo, where } = index.annotations.value;
  const now = index.tag(row);
  const keep = (change: Promise<void>, told: string) =>
    void change.then(
      () => (store.told.value = told),
      (fault: Error) => (store.told.value = fault.message),
    );
  const tag = (chosen: Tag | null) => {
    const next = chosen === now ? null : chosen;
    if (next !== now) keep(index.annotate({ row, tag: next }), next ? `Tagged ${next}.` : "Tag removed.");
  };
  const back = () => (undo ? keep(index.undo(), `Undone: ${undo}.`) : (store.told.value = "There is nothing to undo."));
  useKeys({ ...Object.fromEntries(TAGS.map((one) => [one.key, () => tag(one.tag)])), "0": () => tag(null), u: back });
  return (
    <section class="panel judgement" aria-label="Your judgement">
      <div class="section-head">
        <h2>Your judgement</h2>
        <button type="button" class="bare-button" aria-label="Undo the last change" title={undo ? `Undo: ${undo} (u)` : "There is nothing to undo"} disabled={!undo} onClick={back}>
          <Icon name="undo" />
        </button>
      </div>
      <div class="buttons tags" role="group" aria-label="Tag">
        {TAGS.map((one) => (
          <button key={one.tag} type="button" class={`button ${one.tag}`} aria-pressed={now === one.tag} title={`${one.says} (${one.key})`} onClick={() => tag(one.tag)}>
            {one.tag} <kbd aria-hidden="true">{one.key}</kbd>
          </button>
        ))}
      </div>
      <Kept index={index} row={row} of="label" name="Your own label" says="in place of the computed one" />
      <Kept index={index} row={row} of="note" name="Notes" says="what did you see?" />
      {where && (
        <p class="soft where">
          Kept in <code>{where.split(/[\\/]/).pop()}</code>, beside the index.
        </p>
      )}
    </section>
  );
}

/** A text that is kept when the reader pauses or leaves. */
function Kept({ index, row, of, name, says }: { index: Indexed; row: number; of: "note" | "label"; name: string; says: string }) {
  const kept = index.annotation(row)?.[of] ?? "";
  const [draft, setDraft] = useState<string | null>(null); // null: what is kept
  const [said, setSaid] = useState("");
  const now = useRef<string | null>(null);
  const save = () => {
    const text = now.current;
    if (text === null) return;
    now.current = null;
    if (text === (index.annotation(row)?.[of] ?? "")) return setDraft(null);
    setSaid("saving …");
    index.annotate({ row, [of]: text }).then(
      () => {
        setSaid("saved");
        if (now.current === null) setDraft(null);
      },
      (fault: Error) => {
        now.current ??= text;
        setSaid(`not saved: ${fault.message}`);
      },
    );
  };
  const last = useRef(save);
  last.current = save;
  useEffect(() => {
    const timer = draft === null ? undefined : setTimeout(() => last.current(), PAUSE);
    return () => clearTimeout(timer);
  }, [draft]);
  useEffect(() => () => last.current(), []); // what was typed before the reader went on
  const typed = (event: { currentTarget: { value: string } }) => {
    now.current = event.currentTarget.value;
    setDraft(now.current);
    setSaid("");
  };
  const field = { value: draft ?? kept, placeholder: says, onInput: typed, onBlur: save };
  return (
    <label class="kept">
      <span>
        {name} <small role="status">{said}</small>
      </span>
      {of === "note" ? <textarea rows={4} {...field} /> : <input type="text" {...field} />}
    </label>
  );
}
