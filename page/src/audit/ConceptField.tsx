/** One side of a spec: its concepts as chips. Enter adds, Backspace in the empty field takes the last one back. */

import { useRef, useState } from "preact/hooks";
import { type Draft, type Idea, SIDES, type Side, asTyped, phrasesOf, typed } from "./spec";
import type { AuditState } from "./state";
import { Key } from "./Marks";

const SAYS: Record<Side, string> = {
  valid: "What may speak for the class",
  spurious: "What must not speak for it",
};
const HOW = "One name, or a name and several phrases for it — border: ragged border; notched border";

const other = (side: Side): Side => (side === "valid" ? "spurious" : "valid");
let dragged: { side: Side; at: number } | null = null; // a chip on its way to the other side

/** The side on which a name stands already. */
function sideOf(draft: Draft, name: string): Side | undefined {
  const same = (idea: Idea) => idea.name.toLowerCase() === name.toLowerCase();
  return SIDES.find((side) => draft[side].some(same));
}

export function ConceptField({ state, side }: { state: AuditState; side: Side }) {
  const draft = state.draft.value!;
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const [open, setOpen] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const put = (ideas: Idea[]) => state.edit({ [side]: ideas });
  const add = (given: string) => {
    const idea = typed(given);
    if (!idea) return;
    const stands = sideOf(state.draft.peek()!, idea.name);
    if (stands) return setFault(`“${idea.name}” stands there already, as a ${stands} concept.`);
    put([...state.draft.peek()![side], idea]);
    setText("");
    setFault("");
  };
  const remove = (at: number) => {
    put(draft[side].filter((_, one) => one !== at));
    setOpen(-1);
    field.current?.focus();
  };
  const turn = (from: Side, at: number) => {
    const now = state.draft.peek()!;
    const moved = now[from][at]!;
    state.edit({ [from]: now[from].filter((one) => one !== moved), [other(from)]: [...now[other(from)], moved] });
    setOpen(-1);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Enter") {
      event.preventDefault();
      add(text);
    } else if (event.key === "Backspace" && !text && draft[side].length) {
      event.preventDefault();
      setText(asTyped(draft[side].at(-1)!));
      put(draft[side].slice(0, -1));
    }
  };
  const onPaste = (event: ClipboardEvent) => {
    const lines = (event.clipboardData?.getData("text") ?? "").split("\n").filter((one) => one.trim());
    if (lines.length < 2) return;
    event.preventDefault();
    lines.forEach(add);
  };
  return (
    <fieldset
      class={`side ${side}`}
      onDragOver={(event) => dragged?.side === other(side) && event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        if (dragged?.side === other(side)) turn(dragged.side, dragged.at);
        dragged = null;
      }}
    >
      <legend>
        <Key of={side} /> {side === "valid" ? "Valid" : "Spurious"} concepts
      </legend>
      <p class="hint">{SAYS[side]}.</p>
      <ul class="ideas" aria-label={`${side} concepts`}>
        {draft[side].map((idea, at) => (
          <Chip key={idea.name} idea={idea} side={side} open={open === at} drag={() => (dragged = { side, at })} toggle={() => setOpen(open === at ? -1 : at)} turn={() => turn(side, at)} remove={() => remove(at)} />
        ))}
      </ul>
      {open >= 0 && draft[side][open] && <Details idea={draft[side][open]} side={side} change={(idea) => put(draft[side].map((one, at) => (at === open ? idea : one)))} close={() => setOpen(-1)} />}
      <input
        ref={field}
        type="text"
        aria-label={`Add a ${side} concept`}
        placeholder="Add a concept, then Enter"
        title={HOW}
        value={text}
        aria-invalid={fault ? true : undefined}
        onInput={(event) => (setText(event.currentTarget.value), setFault(""))}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onBlur={() => add(text)}
      />
      {fault && <p class="fault">{fault}</p>}
    </fieldset>
  );
}

interface ChipProps {
  idea: Idea;
  side: Side;
  open: boolean;
  drag(): void;
  toggle(): void;
  turn(): void;
  remove(): void;
}

function Chip({ idea, side, open, drag, toggle, turn, remove }: ChipProps) {
  const ways = idea.phrases.length + idea.images.length;
  const removes = (event: KeyboardEvent) => (event.key === "Backspace" || event.key === "Delete") && remove();
  return (
    <li class="idea" draggable onDragStart={drag}>
      <button type="button" class="name" aria-expanded={open} title={said(idea)} onClick={toggle} onKeyDown={removes}>
        <bdi>{idea.name}</bdi>
        {ways > 1 && <span class="more"> {ways}</span>}
      </button>
      <button type="button" aria-label={`Move ${idea.name} to the ${other(side)} concepts`} title={`Move to ${other(side)}`} onClick={turn}>
        {side === "valid" ? "↓" : "↑"}
      </button>
      <button type="button" aria-label={`Remove ${idea.name}`} title="Remove" onClick={remove}>
        ×
      </button>
    </li>
  );
}

function said({ phrases, images }: Idea): string {
  const parts = [...phrases, ...images.map((image) => `image ${image}`)];
  return parts.length ? `Sought as: ${parts.join("; ")}. Click to change.` : "Sought by its name. Click to give it phrases.";
}

interface DetailsProps {
  idea: Idea;
  side: Side;
  change: (idea: Idea) => void;
  close: () => void;
}

/** The phrases of a concept; lines stay as they are typed until the field is left. */
function Details({ idea, side, change, close }: DetailsProps) {
  const [text, setText] = useState(idea.phrases.join("\n"));
  return (
    <div class="details" onKeyDown={(event) => event.key === "Escape" && close()}>
      <label>
        Name
        <input type="text" value={idea.name} onChange={(event) => event.currentTarget.value.trim() && change({ ...idea, name: event.currentTarget.value.trim() })} />
      </label>
      <label>
        Phrases, one per line; the best fitting counts
        <textarea
          rows={Math.max(2, Math.min(6, idea.phrases.length + 1))}
          value={text}
          placeholder={idea.name}
          onInput={(event) => {
            setText(event.currentTarget.value);
            change({ ...idea, phrases: phrasesOf(event.currentTarget.value) });
          }}
        />
      </label>
      {idea.images.length > 0 && <p class="hint">And the images {idea.images.map((image) => `“${image}”`).join(", ")}.</p>}
      <button type="button" onClick={close}>
        Done
      </button>
      <span class="hint"> a {side} concept</span>
    </div>
  );
}
