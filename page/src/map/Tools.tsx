/** The map's tools: what dragging does, what a selection does to the one before, what is in view, what colours mean. */

import { useStore } from "../data/store";
import { download } from "../ui/save";
import { COLOURS, type ColourBy, NAMES, SAYS } from "./colouring";
import { Icon, type Sign } from "./icons";
import type { Combine } from "./lasso";
import type { Scene } from "./scene";
import type { MapState, Mode } from "./state";

const MODES: { value: Mode; sign: Sign; says: string }[] = [
  { value: "pan", sign: "pan", says: "Drag to move the map" },
  { value: "lasso", sign: "lasso", says: "Drag to select with a lasso (or Shift and drag)" },
  { value: "box", sign: "box", says: "Drag to select a rectangle" },
];
const COMBINES: { value: Combine; sign: Sign; says: string }[] = [
  { value: "new", sign: "new", says: "A new selection" },
  { value: "add", sign: "add", says: "Add to the selection (Shift, Ctrl and drag)" },
  { value: "less", sign: "less", says: "Take away from the selection (Alt and drag)" },
];

export function Tools({ state, scene }: { state: MapState; scene: Scene | null }) {
  const store = useStore();
  return (
    <div class="map-tools" role="toolbar" aria-label="Map tools">
      <ColourChoice state={state} />
      <Choices name="Dragging" choices={MODES} chosen={state.mode.value} choose={(mode) => (state.mode.value = mode)} />
      <Choices name="Selecting" choices={COMBINES} chosen={state.combine.value} choose={(how) => (state.combine.value = how)} off={state.mode.value === "pan"} />
      <span class="map-group" role="group" aria-label="View">
        <Tool sign="add" says="Zoom in (+)" does={() => scene?.zoom(1.6)} />
        <Tool sign="less" says="Zoom out (−)" does={() => scene?.zoom(1 / 1.6)} />
        <Tool sign="all" says="Fit all components into the view (0)" does={() => scene?.fitAll()} />
        <Tool sign="kept" says="Fit the selected and filtered ones into the view" off={!state.filtered} does={() => scene?.fitKept()} />
      </span>
      <Tool sign="save" says="Save the map as a picture (PNG)" does={() => scene && void save(scene, store)} />
    </div>
  );
}

async function save(scene: Scene, store: ReturnType<typeof useStore>): Promise<void> {
  try {
    download("map.png", await scene.png());
    store.told.value = "Saved the map as map.png.";
  } catch (fault) {
    store.told.value = fault instanceof Error ? fault.message : String(fault);
  }
}

function ColourChoice({ state }: { state: MapState }) {
  const { store } = state;
  const { info } = store.index.value;
  const by = state.by.value;
  const possible = COLOURS.filter(
    (one) => one === by || ((one !== "relevance" || info.classes.length > 0) && (one !== "query" || store.query.value) && (one !== "tag" || store.session.can.annotate)),
  );
  const choose = (value: string) => store.place.set({ color: value, hide: null }, true);
  return (
    <label class="map-colour" title={SAYS[by]}>
      Colour by{" "}
      <select value={by} onChange={(event) => choose(event.currentTarget.value as ColourBy)}>
        {possible.map((one) => (
          <option key={one} value={one}>
            {NAMES[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

interface ChoicesProps<Value extends string> {
  name: string;
  choices: { value: Value; sign: Sign; says: string }[];
  chosen: Value;
  choose(value: Value): void;
  off?: boolean;
}

function Choices<Value extends string>({ name, choices, chosen, choose, off = false }: ChoicesProps<Value>) {
  return (
    <span class="map-group" role="group" aria-label={name}>
      {choices.map(({ value, sign, says }) => (
        <button key={value} type="button" class="map-tool" aria-pressed={value === chosen} disabled={off} aria-label={says} title={says} onClick={() => choose(value)}>
          <Icon of={sign} />
        </button>
      ))}
    </span>
  );
}

function Tool({ sign, says, does, off = false }: { sign: Sign; says: string; does: () => void; off?: boolean }) {
  return (
    <button type="button" class="map-tool" aria-label={says} title={says} disabled={off} onClick={does}>
      <Icon of={sign} />
    </button>
  );
}
