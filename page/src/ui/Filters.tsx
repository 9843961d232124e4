/** The reader's filters: which components count, in every view. Each chip has a button that takes it off. */

import type { ComponentChildren } from "preact";
import { valueOf } from "../data/load";
import { useStore } from "../data/store";
import type { Tag } from "../data/types";
import { Icon } from "./Icon";
import { UNFILTERED, filtered } from "./links";
import { Menu } from "./Menu";
import { brief, grouped } from "./words";

const TAGS: Tag[] = ["valid", "spurious", "unsure"];

export function Filters() {
  const { place } = useStore();
  const view = place.route.value.path[0] ?? "";
  const choosing = view === "" || view === "table"; // elsewhere only what is on, as chips
  if (!choosing && (!filtered(place) || view === "about")) return null;
  return (
    <section class="filters" aria-label="Filters">
      {choosing ? (
        <>
          <Layers />
          <Words />
          <Tags />
        </>
      ) : (
        <Fixed />
      )}
      <Cluster />
      <Selection />
      <Passing />
    </section>
  );
}

function Layers() {
  const store = useStore();
  const { layers } = store.index.value.info;
  const chosen = store.layers().map((at) => layers[at]!.layer);
  if (layers.length < 2) return null;
  const toggle = (layer: string, on: boolean) => {
    const names = layers.map((one) => one.layer).filter((one) => (one === layer ? on : chosen.includes(one)));
    store.place.set({ layers: names.length && names.length < layers.length ? names.join(",") : null });
  };
  return (
    <Menu name="Layers" value={chosen.length === 0 ? "all" : chosen.length === 1 ? <bdi>{brief(chosen[0]!)}</bdi> : `${chosen.length} of ${layers.length}`}>
      <fieldset>
        <legend>Only components of these layers (none ticked: all)</legend>
        {layers.map(({ layer, start, stop }) => (
          <label key={layer}>
            <input type="checkbox" checked={chosen.includes(layer)} onChange={(event) => toggle(layer, event.currentTarget.checked)} />
            <bdi>{brief(layer)}</bdi> <small>{grouped(stop - start)}</small>
          </label>
        ))}
      </fieldset>
    </Menu>
  );
}

function Words() {
  const { place } = useStore();
  const words = place.route.value.params.get("words") ?? "";
  return (
    <span class="field">
      <input type="text" aria-label="Only labels that contain" placeholder="Label contains …" value={words} autocomplete="off" spellcheck={false} onInput={(event) => place.set({ words: event.currentTarget.value }, true)} />
      {words && <Off what={`labels with ${words}`} off={() => place.set({ words: null })} />}
    </span>
  );
}

function Tags() {
  const store = useStore();
  const { rows } = store.index.value.annotations.value;
  const tag = store.place.route.value.params.get("tag") ?? "";
  if (!store.session.can.annotate && !tag) return null;
  return (
    <select aria-label="Tag" class={tag ? "on" : ""} value={tag} onChange={(event) => store.place.set({ tag: event.currentTarget.value })}>
      <option value="">Any tag</option>
      {TAGS.map((one) => (
        <option key={one} value={one}>
          {`Tagged ${one} (${rows.filter((row) => row.tag === one).length})`}
        </option>
      ))}
    </select>
  );
}

/** The same three as chips. */
function Fixed() {
  const { place } = useStore();
  const param = (name: string) => place.route.value.params.get(name);
  return (
    <>
      {param("layers") && <Chip off={() => place.set({ layers: null })}>layers {param("layers")!.replaceAll(",", ", ")}</Chip>}
      {param("words") && <Chip off={() => place.set({ words: null })}>label contains “{param("words")}”</Chip>}
      {param("tag") && <Chip off={() => place.set({ tag: null })}>tagged {param("tag")}</Chip>}
    </>
  );
}

function Cluster() {
  const store = useStore();
  const cluster = store.place.route.value.params.get("cluster");
  if (cluster === null) return null;
  const name = valueOf(store.index.value.atlas.value)?.names[Number(cluster)];
  return <Chip off={() => store.place.set({ cluster: null })}>{name ? `cluster “${name}”` : `cluster ${cluster}`}</Chip>;
}

function Selection() {
  const store = useStore();
  const selection = store.selection.value;
  return selection && <Chip off={() => store.select(null)}>{grouped(selection.length)} selected</Chip>;
}

function Passing() {
  const store = useStore();
  const { place } = store;
  if (!filtered(place)) return null;
  const passing = store.order.value.length;
  return (
    <>
      <span class="soft passing" role="status">
        {grouped(passing)} of {grouped(store.index.value.count)} components
      </span>
      <button type="button" class="link" onClick={() => place.set(UNFILTERED)}>
        Show all
      </button>
    </>
  );
}

function Chip({ off, children }: { off(): void; children: ComponentChildren }) {
  return (
    <span class="chip">
      <bdi>{children}</bdi>
      <Off what={textOf(children)} off={off} />
    </span>
  );
}

function Off({ what, off }: { what: string; off(): void }) {
  return (
    <button type="button" class="bare-button" aria-label={`Remove the filter: ${what}`} title="Remove this filter" onClick={off}>
      <Icon name="clear" />
    </button>
  );
}

function textOf(children: ComponentChildren): string {
  return Array.isArray(children) ? children.map(textOf).join("") : typeof children === "string" || typeof children === "number" ? String(children) : "";
}
