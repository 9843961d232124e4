/** The component under the pointer, or the pinned one: its strongest crops and what it is called. */

import { useEffect, useState } from "preact/hooks";
import { useStore } from "../data/store";
import { valueOf } from "../data/load";
import { type Indexed } from "../data/indexed";
import { componentHref } from "../ui/links";
import { Picture } from "../ui/picture";
import { rounded, short } from "../ui/words";
import { toScreen } from "./camera";
import { type MapModel, partOf } from "./model";
import type { MapState } from "./state";

const WIDTH = 232; // CSS pixels, as in the style sheet
const MORE = 4; // crops on a pinned card

/** A ring around what is pointed at, in whichever view. */
export function Ring({ state }: { state: MapState }) {
  const store = useStore();
  const model = state.model;
  const pointed = store.pointed.value;
  const part = model && pointed && model.parts.find(({ index }) => index.number === pointed.index);
  const points = [part ? part.start + pointed.row : -1, state.pinned.value];
  return (
    <>
      {model &&
        points.map((point, at) => {
          const place = placeOf(state, model, point);
          return place && <span key={at} class={at ? "map-ring map-ring-pinned" : "map-ring"} style={{ transform: `translate(${place[0]}px, ${place[1]}px)` }} aria-hidden="true" />;
        })}
    </>
  );
}

/** Where a point is on the screen; null: not in view, or none. */
function placeOf(state: MapState, model: MapModel, point: number): [number, number] | null {
  if (point < 0 || Number.isNaN(model.xy[2 * point]!)) return null;
  const view = state.view.value;
  const [x, y] = toScreen(state.camera.value, view, model.xy[2 * point]!, model.xy[2 * point + 1]!);
  return x >= 0 && y >= 0 && x <= view.width && y <= view.height ? [x, y] : null;
}

export function PointCard({ state }: { state: MapState }) {
  const model = state.model;
  const pinned = state.pinned.value;
  const point = pinned >= 0 ? pinned : state.hover.value;
  const place = model && placeOf(state, model, point);
  if (!model || !place) return null;
  const { index, start } = partOf(model, point);
  const view = state.view.value;
  const left = place[0] + 18 + WIDTH < view.width ? place[0] + 18 : Math.max(4, place[0] - 18 - WIDTH);
  const tall = pinned >= 0 ? 260 : 112; // about, with a title of two lines: the card stays within the map
  const away = (from: number) => `${Math.max(4, Math.min(from + 10, view.height - tall))}px`;
  const vertical = place[1] < view.height / 2 ? { top: away(place[1]) } : { bottom: away(view.height - place[1]) };
  const style = { left: `${left}px`, width: `${Math.min(WIDTH, view.width - 8)}px`, ...vertical };
  return (
    <div class={pinned >= 0 ? "map-card map-card-pinned" : "map-card"} style={style} role={pinned >= 0 ? "dialog" : undefined} aria-label={pinned >= 0 ? "Pinned component" : undefined}>
      <Glance key={point} index={index} row={point - start} />
      {pinned >= 0 && <Pinned key={`p${point}`} state={state} index={index} row={point - start} cluster={model.cluster[point]!} />}
    </div>
  );
}

function Glance({ index, row }: { index: Indexed; row: number }) {
  const crop = index.base.crop[row]!;
  const labels = valueOf(index.labels.value);
  const label = index.label(row);
  const p = labels?.p_value[row];
  return (
    <div class="map-glance">
      <Picture path={crop >= 0 ? index.at(`crop/${crop}.webp`) : null} alt="" class="map-glance-crop" />
      <div class="map-glance-text">
        <strong>
          <bdi>{index.title(row)}</bdi>
        </strong>
        <span class="soft">
          <bdi>{index.id(row)}</bdi>
        </span>
        {label && p !== undefined && !Number.isNaN(p) && <span class="soft">p = {short(p)}</span>}
        {labels && !label && <span class="soft">no label fits better than chance</span>}
        <Similarity index={index} row={row} />
      </div>
    </div>
  );
}

function Similarity({ index, row }: { index: Indexed; row: number }) {
  const store = useStore();
  const found = store.search.value ? valueOf(store.search.value) : undefined;
  if (!found || index !== store.index.value) return null;
  return <span class="soft">{found.by === "encoding" ? "effect" : "similarity"} {rounded(found.value[row])}</span>;
}

function Pinned({ state, index, row, cluster }: { state: MapState; index: Indexed; row: number; cluster: number }) {
  const store = useStore();
  const [crops, setCrops] = useState<number[]>([]);
  useEffect(() => {
    let live = true;
    index.component(row).then(
      (one) => live && setCrops(one.examples.slice(1, 1 + MORE).map((example) => example.crop)),
      () => {}, // the card stays as it is: the page of the component says what is wrong
    );
    return () => {
      live = false;
    };
  }, [index, row]);
  const name = state.clusters.value[cluster];
  return (
    <>
      <div class="map-more">
        {Array.from({ length: MORE }, (_, at) => (
          <Picture key={at} path={crops[at] === undefined ? null : index.at(`crop/${crops[at]}.webp`)} alt="" class="map-more-crop" />
        ))}
      </div>
      <div class="map-card-does">
        <a href={componentHref(store, index, row)}>Open component</a>
        {cluster >= 0 && index === store.index.value && (
          <button type="button" onClick={() => store.place.set({ cluster })}>
            Select its cluster{name ? <>: <bdi>{name}</bdi></> : null}
          </button>
        )}
        <button type="button" class="map-unpin" aria-label="Unpin (Esc)" title="Unpin (Esc)" onClick={() => (state.pinned.value = -1)}>
          ×
        </button>
      </div>
    </>
  );
}
