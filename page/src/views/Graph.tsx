/** How a class comes about: concepts layer by layer, and what passes between them. */

import { useMemo } from "preact/hooks";
import { useStore } from "../data/store";
import { GraphFrame } from "../graph/GraphFrame";
import { type Asked, useGraph } from "../graph/ask";
import { Await, Waiting } from "../ui/Await";
import { ClassPicker } from "../ui/ClassPicker";

export function GraphView() {
  const store = useStore();
  const { place } = store;
  const index = store.index.value;
  const number = store.of.value;
  const params = place.route.value.params;
  const layers = store.layers().map((at) => index.info.layers[at]!).filter((one) => !one.outputs).map((one) => one.layer);
  const edges = params.get("edges") === "1";
  const asked = useMemo<Asked | null>(() => (number === null ? null : { number, layers, edges: false }), [number, layers.join()]);
  const plain = useGraph(store, asked);
  const joined = useGraph(store, asked && edges ? { ...asked, edges } : null);
  const shown = edges && joined.state === "ready" ? joined : plain;
  return (
    <div class="graph-view">
      <h1>Graph</h1>
      <p class="explains">How the model arrives at a class: the concepts of each layer, from the image to the output, and how much each speaks for it.</p>
      {number === null ? (
        <p class="absent">This index holds no relevance, which says how much each component contributes to a class: build it with `--classes`, then a graph can be drawn.</p>
      ) : (
        <>
          {shown.state !== "ready" && (
            <div class="tools">
              <ClassPicker />
            </div>
          )}
          <Await of={shown} what="graph">
            {(graph) => (
              <GraphFrame graph={graph}>
                <ClassPicker />
                <Between possible={graph.edges_possible} on={edges} found={joined} />
              </GraphFrame>
            )}
          </Await>
        </>
      )}
    </div>
  );
}

/** What passes between layers costs time and needs the model: on demand, or how to make it possible. */
function Between({ possible, on, found }: { possible: boolean; on: boolean; found: ReturnType<typeof useGraph> }) {
  const { place } = useStore();
  if (!possible) return <p class="hint">To see what passes between the layers as well, start the server with --model MODEL --images FOLDER.</p>;
  if (!on) {
    return (
      <button type="button" class="button" onClick={() => place.set({ edges: 1 })}>
        Compute what passes between layers
      </button>
    );
  }
  if (found.state === "loading") return <Waiting what="edges" job={found.job} />;
  if (found.state === "absent") return <p class="absent">{found.why}</p>;
  return (
    <button type="button" class="button" onClick={() => place.set({ edges: null })}>
      Without what passes between layers
    </button>
  );
}
