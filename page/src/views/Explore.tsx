/** The start: what is in the model, as a map and as cards; or what is most like what the reader looks for. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Store, useStore } from "../data/store";
import { Cards } from "../explore/Cards";
import { Intro } from "../explore/Intro";
import { type Listing, useListing } from "../explore/listing";
import { scaleOf } from "../explore/Similarity";
import { MapPanel } from "../map/MapPanel";
import { Waiting } from "../ui/Await";
import { UNFILTERED, filtered } from "../ui/links";
import { counted } from "../ui/words";

const BESIDE = "(min-width: 1000px)"; // the map beside the cards, each with its own height; style/explore.css has the same

export function ExploreView() {
  return (
    <div class="explore">
      <Results />
      <MapPanel />
    </div>
  );
}

function Results() {
  const store = useStore();
  const listing = useListing();
  const { index, rows, found, busy, job } = listing;
  const scale = useMemo(() => found && scaleOf(found), [found]);
  const [pages, setPages] = useState(1);
  const page = matchMedia(BESIDE).matches ? 3000 : 24; // where the map stands below, it must not be far
  const count = Math.min(rows.length, pages * page);
  const box = useScroll(store, listing);
  useEffect(() => setPages(1), [rows]);
  return (
    <section class="results" ref={box} aria-label="Results" aria-busy={busy}>
      {!store.query.value && !filtered(store.place) && <Intro />}
      <div class="results-head">
        <h1>{listing.title}</h1>
        {job ? <Waiting what="Search" job={job} /> : <p class="soft">{listing.says}</p>}
        {found?.remark && <p class="remark">{said(found.remark)}</p>}
        <a class="to-map" href="#map" onClick={(event) => (event.preventDefault(), box.current?.nextElementSibling?.scrollIntoView())}>
          To the map
        </a>
      </div>
      {rows.length ? <Cards index={index} rows={rows} found={found} scale={scale} count={count} /> : <Nothing />}
      {count < rows.length && (
        <button type="button" class="button more" onClick={() => setPages(pages + 1)}>
          Show {counted(Math.min(page, rows.length - count), "more component", "more components")}
        </button>
      )}
    </section>
  );
}

/** A sentence as it stands alone. */
function said(remark: string): string {
  return `${remark.charAt(0).toUpperCase()}${remark.slice(1)}.`;
}

function Nothing() {
  const store = useStore();
  if (!filtered(store.place)) return <p class="nothing">There is no component to show.</p>;
  return (
    <p class="nothing">
      No component passes these filters.{" "}
      <button type="button" class="button" onClick={() => store.place.set(UNFILTERED)}>
        Show all
      </button>
    </p>
  );
}

let left: { of: string; top: number } | null = null;

/** The element that scrolls: where the reader left it, if the same is listed again; else at its top. */
function useScroll(store: Store, { busy, rows }: Listing) {
  const box = useRef<HTMLElement>(null);
  const of = `${store.index.value.number} ${store.query.value} ${rows.length}`;
  useLayoutEffect(() => {
    const element = box.current!;
    element.scrollTop = !busy && left?.of === of ? left.top : 0;
    const scrolled = () => {
      left = { of, top: element.scrollTop };
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => element.removeEventListener("scroll", scrolled);
  }, [of, busy]);
  return box;
}
