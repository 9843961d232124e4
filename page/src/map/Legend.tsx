/** What the colours mean, and how many components have each. Entries show and hide. */

import { useStore } from "../data/store";
import { grouped, short } from "../ui/words";
import { type Groups, NAMES, SAYS, type Values } from "./colouring";
import { type Colour, css, groupColour, ramp } from "./palette";
import type { MapState } from "./state";

export function Legend({ state }: { state: MapState }) {
  const by = state.by.value;
  const found = state.colouring.value;
  return (
    <div class="map-legend" role="group" aria-label="Legend">
      <div class="map-legend-head">
        <p>
          <strong>{NAMES[by]}</strong> <span class="soft">{SAYS[by]}.</span>
        </p>
        {found?.kind === "groups" && (
          <button type="button" class="map-all" disabled={!state.hidden.value.size} onClick={() => state.store.place.set({ hide: null }, true)}>
            Show all
          </button>
        )}
      </div>
      {by === "relevance" && <ClassChoice />}
      {found?.kind === "groups" && <GroupList state={state} found={found} />}
      {found?.kind === "values" && <RampScale state={state} found={found} />}
      {found?.kind === "none" && <p class="soft">{found.why}</p>}
      <Models state={state} />
    </div>
  );
}

function ClassChoice() {
  const store = useStore();
  const { classes } = store.index.value.info;
  if (classes.length < 2) return null;
  return (
    <label>
      Class{" "}
      <select value={String(store.of.value)} onChange={(event) => store.place.set({ class: event.currentTarget.value }, true)}>
        {classes.map((one) => (
          <option key={one.number} value={String(one.number)}>
            {one.name}
          </option>
        ))}
      </select>
    </label>
  );
}

function GroupList({ state, found }: { state: MapState; found: Groups }) {
  const { dark, plain } = state.theme.value;
  const hidden = state.hidden.value;
  return (
    <ul class="map-entries" onPointerLeave={() => (state.lit.value = null)}>
        {found.groups.map((group, at) =>
          group.count ? (
            <li key={at}>
              <button
                type="button"
                class="map-entry"
                aria-pressed={!hidden.has(at)}
                title="Click: show or hide. Double click, or Shift and Enter: only this one."
                onPointerEnter={() => (state.lit.value = at)}
                onClick={(event) => state.toggle(at, event.shiftKey)}
                onDblClick={() => state.toggle(at, true)}
              >
                <Swatch colour={group.plain ? plain : groupColour(at, dark)} />
                <bdi class="map-entry-name">{group.name}</bdi>
                <span class="map-count">{grouped(group.count)}</span>
              </button>
            </li>
          ) : null,
        )}
    </ul>
  );
}

function Swatch({ colour }: { colour: Colour }) {
  return <span class="map-swatch" style={{ background: css(colour) }} aria-hidden="true" />;
}

function RampScale({ state, found }: { state: MapState; found: Values }) {
  const colours = ramp(state.theme.value.dark);
  const stops = Array.from({ length: 17 }, (_, at) => css(colours[Math.round((at / 16) * 255)]!));
  const middle = (found.low + found.high) / 2;
  const mark = found.mark && (found.mark.at - found.low) / (found.high - found.low || 1);
  const end = (value: number, beyond: boolean, sign: string) => (beyond ? `${sign} ${short(value)}` : short(value));
  return (
    <div class="map-ramp" role="img" aria-label={`${found.name} from ${short(found.low)} to ${short(found.high)}`}>
      <div class="map-ramp-bar" style={{ background: `linear-gradient(to right, ${stops.join(", ")})` }}>
        {mark !== undefined && mark >= 0 && mark <= 1 && <span class="map-ramp-mark" style={{ left: `${100 * mark}%` }} />}
      </div>
      <p class="map-ramp-numbers">
        <span>{end(found.low, found.least < found.low, "≤")}</span>
        <span>{short(middle)}</span>
        <span>{end(found.high, found.most > found.high, "≥")}</span>
      </p>
      {found.mark && (
        <p class="soft">
          Line at {short(found.mark.at)}: {found.mark.says}.
        </p>
      )}
      {found.none > 0 && (
        <p class="map-none soft">
          <Swatch colour={state.theme.value.plain} /> no value <span class="map-count">{grouped(found.none)}</span>
        </p>
      )}
    </div>
  );
}

/** Which shape is which index, where the map shows two. */
function Models({ state }: { state: MapState }) {
  const store = useStore();
  const parts = state.model?.parts ?? [];
  if (parts.length < 2) return null;
  return (
    <ul class="map-entries map-models">
      {parts.map(({ index }) => {
        const mine = index === store.index.value;
        return (
          <li key={index.number}>
            <button
              type="button"
              class="map-entry"
              aria-pressed={mine || state.others.value}
              disabled={mine}
              title={mine ? "The index that is looked at" : "Click: show or hide the other index"}
              onClick={() => store.place.set({ other: state.others.value ? "0" : null }, true)}
            >
              <span class={mine ? "map-disc" : "map-diamond"} aria-hidden="true" />
              <bdi class="map-entry-name">{index.info.name}</bdi>
              <span class="map-count">{grouped(index.count)}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
