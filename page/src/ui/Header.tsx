/** The name of what is looked at, the search, the views; and what holds for the whole page: theme, shortcuts, drops. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import { VIEWS } from "../views/views";
import { useArrival } from "./arrive";
import { Icon } from "./Icon";
import { held, usePictures } from "./imageQuery";
import { useKeys } from "./keys";
import { about } from "./links";
import { alone, setRoot } from "./root";
import { SearchBox } from "./SearchBox";
import { Shortcuts } from "./Shortcuts";
import { THEMES, choose, theme, wear } from "./theme";

export function Header() {
  const store = useStore();
  const { place } = store;
  const bar = useRef<HTMLElement>(null);
  const [guide, setGuide] = useState(false);
  const at = place.route.value.path[0] ?? "";
  const here = about(store, store.index.value);

  useLayoutEffect(() => setRoot(store, bar.current!.closest<HTMLElement>(".semlens")!), [store]);
  useLayoutEffect(() => wear(bar.current!.closest<HTMLElement>(".semlens")!, theme.value), [theme.value]);
  useTitle();
  useArrival();
  usePictures();
  useKeys({ "?": () => setGuide(true) });

  return (
    <header class="top" ref={bar}>
      <div class="looked-at">
        <a class="brand" href={place.href([], { q: null, image: null, ...here })}>
          semlens
        </a>
        <IndexName />
      </div>
      <SearchBox />
      <nav aria-label="Views">
        {VIEWS.map((one) => (
          <a key={one.path} href={place.href(one.path ? [one.path] : [], here)} title={one.says} aria-current={at === one.path ? "page" : undefined}>
            {one.name}
          </a>
        ))}
      </nav>
      <div class="whole-page">
        <ThemeButton />
        <button type="button" class="bare-button" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)" onClick={() => setGuide(true)}>
          ?
        </button>
      </div>
      {guide && <Shortcuts close={() => setGuide(false)} />}
      {held.value && <p class="drop">Drop the picture: the components that are most like it will be listed.</p>}
    </header>
  );
}

function IndexName() {
  const store = useStore();
  const { place, indexes } = store;
  const now = store.index.value;
  if (indexes.length < 2)
    return (
      <bdi class="index-name" title={`the index “${now.info.name}” of the model ${now.info.model}`}>
        {now.info.name}
      </bdi>
    );
  const go = (number: number) => {
    const { path } = place.route.peek();
    place.go(path[0] === "m" ? [] : path, about(store, indexes[number]!));
  };
  return (
    <select class="index-name" aria-label="Index" title={`the model ${now.info.model}`} value={now.number} onChange={(event) => go(Number(event.currentTarget.value))}>
      {indexes.map((one) => (
        <option key={one.number} value={one.number}>
          {one.info.name}
        </option>
      ))}
    </select>
  );
}

function ThemeButton() {
  const now = theme.value;
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]!;
  const said = { system: "as the system has it", light: "light", dark: "dark" };
  return (
    <button type="button" class="bare-button" aria-label={`Theme: ${said[now]}`} title={`Theme: ${said[now]}; press for ${said[next]}`} onClick={() => choose(next)}>
      <Icon name={now} />
    </button>
  );
}

/** What the tab of the browser says. */
function useTitle(): void {
  const store = useStore();
  const index = store.index.value;
  const [view = "", , layer, unit] = store.place.route.value.path;
  const row = view === "m" ? index.row(layer ?? "", Number(unit)) : -1;
  const named = VIEWS.find((one) => one.path === view && view)?.name;
  const query = store.place.route.value.params.get("q");
  const title = row >= 0 ? `${index.title(row)} (${index.id(row)})` : (named ?? (query ? `“${query}”` : "Explore"));
  useEffect(() => {
    if (alone(store)) document.title = `${title} · ${index.info.name} · semlens`;
  }, [title, index]);
}
