/** The search: labels match at once, in a list below; what is similar follows in the view. Pictures are queries too. */

import { useId, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import { Icon } from "./Icon";
import { ask, asked } from "./imageQuery";
import { useKeys } from "./keys";
import { about } from "./links";
import { Picture } from "./picture";
import { type Suggestion, suggest } from "./suggest";
import { counted } from "./words";

export function SearchBox() {
  const store = useStore();
  const { place } = store;
  const index = store.index.value;
  const { path, params } = place.route.value;
  const text = params.get("q") ?? "";
  const input = useRef<HTMLInputElement>(null);
  const list = useId();
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  // One step in the history per query: the first letter makes it, the others change it, Enter ends it.
  const typing = useRef(false);
  const options = open ? suggest(index, text) : [];
  const target = path[0] === "table" ? path : [];

  useKeys({ "/": () => (input.current?.focus(), input.current?.select()) });

  const type = (value: string) => {
    place.go(target, { ...about(store, index), q: value || null, image: null }, typing.current);
    typing.current = true;
    setOpen(true);
    setAt(-1);
  };
  const commit = () => {
    typing.current = false;
    setOpen(false);
    setAt(-1);
  };
  const clear = () => {
    if (store.query.peek()) place.set({ q: null, image: null }, typing.current);
    commit();
    input.current?.focus();
  };
  const choose = (one: Suggestion) => {
    commit();
    if (one.rows > 1) place.go(target, { ...about(store, index), words: one.text, q: null, image: null });
    else place.go(index.path(one.row), { ...about(store, index), q: null });
    input.current?.blur();
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      // -1 is the text itself
      setAt(((at + 1 + step + options.length + 1) % (options.length + 1)) - 1);
    } else if (event.key === "Enter") {
      if (at >= 0) choose(options[at]!);
      else commit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (text || params.has("image")) clear();
      else input.current?.blur();
    }
  };

  const can = store.session.can.search;
  return (
    <div class="search" role="search">
      <Icon name="search" />
      {params.has("image") && <Asked id={params.get("image")!} />}
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label={can ? "Search by words or by a picture" : "Search labels"}
        aria-expanded={options.length > 0}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${list}-${at}` : undefined}
        placeholder={can ? "What do you look for? Words, or drop a picture" : "Which label do you look for?"}
        enterkeyhint="search"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={pressed}
        onFocus={() => setOpen(true)}
        onBlur={commit}
      />
      {text || params.has("image") ? (
        <button type="button" class="bare-button" aria-label="Clear the search" title="Clear the search (Esc)" onClick={clear}>
          <Icon name="clear" />
        </button>
      ) : (
        <kbd aria-hidden="true">/</kbd>
      )}
      {can && <ChooseFile />}
      <ul class="suggestions" id={list} role="listbox" aria-label="Labels that match" hidden={!options.length}>
        {options.map((one, number) => (
          <Option key={`${one.text}-${one.row}`} id={`${list}-${number}`} one={one} typed={text} active={number === at} choose={() => choose(one)} />
        ))}
      </ul>
    </div>
  );
}

function Option({ id, one, typed, active, choose }: { id: string; one: Suggestion; typed: string; active: boolean; choose(): void }) {
  const index = useStore().index.value;
  const crop = index.base.crop[one.row]!;
  const from = one.text.toLowerCase().indexOf(typed.trim().toLowerCase());
  const until = from + typed.trim().length;
  // pointerdown keeps the focus in the box, so that its blur does not close the list before the click
  return (
    <li id={id} role="option" aria-selected={active} onPointerDown={(event) => event.preventDefault()} onClick={choose}>
      <Picture path={crop < 0 ? null : index.at(`crop/${crop}.webp`)} alt="" />
      <bdi>
        {one.text.slice(0, Math.max(0, from))}
        <mark>{from < 0 ? "" : one.text.slice(from, until)}</mark>
        {one.text.slice(from < 0 ? 0 : until)}
      </bdi>
      <small>{one.rows > 1 ? counted(one.rows, "component") : index.id(one.row)}</small>
    </li>
  );
}

function Asked({ id }: { id: string }) {
  const known = asked.value?.id === id ? asked.value.address : null;
  return (
    <span class="asked">
      {known ? <img src={known} alt="" /> : <Icon name="image" />}
      your picture
    </span>
  );
}

function ChooseFile() {
  const store = useStore();
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="bare-button" aria-label="Search by a picture" title="Search by a picture: choose one here, drop it anywhere, or paste it" onClick={() => input.current?.click()}>
        <Icon name="image" />
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        hidden
        aria-label="Picture to search by"
        onChange={(event) => {
          void ask(store, event.currentTarget.files?.[0]);
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
