/** From this component to the next one of the list, a random one, its place on the map; and its address. */

import { useEffect } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { stay } from "../ui/arrive";
import { Icon } from "../ui/Icon";
import { useKeys } from "../ui/keys";
import { about, componentHref } from "../ui/links";
import { grouped } from "../ui/words";

export function Steps({ index, row }: { index: Indexed; row: number }) {
  const store = useStore();
  const { place } = store;
  const order = store.order.value;
  const at = order.indexOf(row);
  const next = order[at + 1]; // of one that is not in the list: its first
  const previous = at < 0 ? undefined : order[at - 1];
  const kept = { show: store.param("show") || null };
  const go = (to: number | undefined) => {
    if (to === undefined) return;
    stay(); // so that one thing can be compared from component to component
    place.go(index.path(to), { ...about(store, index), ...kept });
  };
  const random = () => go(order[Math.floor(Math.random() * order.length)]);
  useKeys({ j: () => go(next), k: () => go(previous), r: random });
  useEffect(() => {
    for (const near of [next, previous]) if (near !== undefined) index.component(near).catch(() => {});
  }, [index, next, previous]);
  const list = store.query.value ? "of the search" : "of the list";
  return (
    <nav class="steps" aria-label="Components">
      <Step name="Previous" sign="k" icon="left" href={previous === undefined ? null : componentHref(store, index, previous, kept)} />
      <span class="soft place">{at < 0 ? `not among the ${grouped(order.length)} ${list}` : `${grouped(at + 1)} of ${grouped(order.length)} ${list}`}</span>
      <Step name="Next" sign="j" icon="right" href={next === undefined ? null : componentHref(store, index, next, kept)} />
      <span class="space" />
      <button type="button" class="button" aria-label="Random component" title="A random component (r)" disabled={!order.length} onClick={random}>
        <Icon name="dice" /> <span class="word">Random</span>
      </button>
      <a class="button" href={place.href([], { ...about(store, index), at: row })} aria-label="On the map" title="The map, centred on this component">
        <Icon name="map" /> <span class="word">On the map</span>
      </a>
      <CopyLink path={index.path(row)} index={index} />
    </nav>
  );
}

function Step({ name, sign, icon, href }: { name: string; sign: string; icon: "left" | "right"; href: string | null }) {
  const label = `${name} component`;
  const drawn = <Icon key="icon" name={icon} />;
  const word = (
    <span key="word" class="word">
      {name}
    </span>
  );
  const content = icon === "left" ? [drawn, word] : [word, drawn];
  return href === null ? (
    <span class="button" role="link" aria-disabled="true" aria-label={label}>
      {content}
    </span>
  ) : (
    <a class="button" href={href} aria-label={label} title={`${label} (${sign})`}>
      {content}
    </a>
  );
}

function CopyLink({ path, index }: { path: string[]; index: Indexed }) {
  const store = useStore();
  const copy = async () => {
    // Only what is about the component: a search or a selection of the sender's is not.
    const changes = { i: index.number || null, q: null, image: null, layers: null, words: null, cluster: null, tag: null, sel: null };
    const address = new URL(store.place.href(path, changes), location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      store.told.value = "Link copied.";
    } catch {
      store.told.value = address; // no clipboard here: it can be copied by hand
    }
  };
  return (
    <button type="button" class="button" aria-label="Copy link" title="Copy a link to this component" onClick={() => void copy()}>
      <Icon name="link" /> <span class="word">Copy link</span>
    </button>
  );
}
