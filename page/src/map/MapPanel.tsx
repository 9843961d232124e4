/** The map of all components, with its controls. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import { Waiting } from "../ui/Await";
import { about } from "../ui/links";
import { grouped } from "../ui/words";
import { press } from "./keys";
import { Legend } from "./Legend";
import { partOf } from "./model";
import { PointCard, Ring } from "./PointCard";
import { Scene } from "./scene";
import { NOTHING } from "./scenery";
import { MapState } from "./state";
import { Tools } from "./Tools";

export function MapPanel() {
  const store = useStore();
  const state = useMemo(() => new MapState(store), [store]);
  const [scene, setScene] = useState<Scene | null>(null);
  return (
    <section class="map" aria-label="Map of all components">
      <p class="map-says soft">
        Each point is one component. <Near state={state} />; how far apart they lie measures nothing. <MoreSaid state={state} />
      </p>
      <Tools state={state} scene={scene} />
      <div class="map-body">
        <Stage state={state} scene={scene} ready={setScene} />
        <Legend state={state} />
      </div>
      <p class="map-foot soft">
        <Notes state={state} />
      </p>
      <p class="map-heard" role="status" aria-live="polite">
        {state.said.value}
      </p>
    </section>
  );
}

function Stage({ state, scene, ready }: { state: MapState; scene: Scene | null; ready: (scene: Scene | null) => void }) {
  const { store } = state;
  const stage = useRef<HTMLDivElement>(null);
  const points = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const made = new Scene(state, stage.current!, points.current!, over.current!);
    ready(made);
    return () => (made.stop(), ready(null));
  }, [state]);
  const open = (point: number) => {
    const { index, start } = partOf(state.model!, point);
    store.place.go(index.path(point - start), about(store, index));
  };
  const pressed = (event: KeyboardEvent) => {
    if (!scene || !press(event, state, scene, open)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const found = state.found.value;
  return (
    <div class={`map-stage map-mode-${state.mode.value}`} ref={stage} onKeyDown={(event) => event.key === "Escape" && pressed(event)}>
      <canvas class="map-points" ref={points} aria-hidden="true" />
      <canvas
        class="map-over"
        ref={over}
        role="application"
        tabIndex={0}
        aria-label="Map of components. Plus and minus zoom, 0 shows all, arrows move. Ctrl and an arrow jump to the next component, Enter opens it. The table has the same components."
        onKeyDown={pressed}
      />
      <Ring state={state} />
      <PointCard state={state} />
      <Empty state={state} scene={scene} />
      {found.state !== "ready" && (
        <div class="map-wait">
          {found.state === "absent" ? <p class="absent">{found.why}</p> : <Waiting what="map" job={found.job} />}
        </div>
      )}
    </div>
  );
}

/** A way back for those who are lost. */
function Empty({ state, scene }: { state: MapState; scene: Scene | null }) {
  const scenery = state.scenery.value;
  if (scenery === NOTHING || scenery.inView || !state.model) return null;
  return (
    <p class="map-empty">
      Nothing here.{" "}
      <button type="button" class="map-tool" onClick={() => (state.store.place.set({ hide: null }, true), scene?.fitAll())}>
        Show all
      </button>
    </p>
  );
}

function Near({ state }: { state: MapState }) {
  return <>{state.model?.by === "encoding" ? "Near means responding alike over all images" : "Near means similar to the foundation model"}</>;
}

function MoreSaid({ state }: { state: MapState }) {
  const drawing = state.model?.drawing;
  if (drawing !== "principal") return null;
  return (
    <>
      Drawn along the two principal axes, which is coarse: <code>pip install 'semlens[umap]'</code> gives a finer map.
    </>
  );
}

/** How many are seen, how they are drawn, and where the same is to be had as a table. */
function Notes({ state }: { state: MapState }) {
  const { store } = state;
  const model = state.model;
  const kind = state.kind.value;
  const dead = model ? model.count - model.living.length : 0;
  return (
    <>
      <a href={store.place.href(["table"])}>As a table</a>
      {model && (
        <span>
          {" · "}
          {grouped(state.scenery.value.inView)} of {grouped(model.living.length)} in view
          {dead > 0 && <> ({grouped(dead)} without examples)</>}
        </span>
      )}
      {kind === "software" && <span class="map-slow"> · drawn without a graphics card: slower</span>}
      {kind === "canvas" && <span class="map-slow"> · drawn without WebGL2: slower</span>}
    </>
  );
}
