/** The drawing in a box that scrolls, with what turns, enlarges and saves it, beside the chosen node's panel. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import type { Graph, GraphNode } from "../data/types";
import { SaveAs } from "../ui/SaveAs";
import { download, saveChart } from "../ui/save";
import { grouped, percent } from "../ui/words";
import { Drawing } from "./Drawing";
import { Panel } from "./Panel";
import { fitting, layout, outputAt } from "./layout";
import { usePan } from "./pan";

const [LEAST, MOST, STEP] = [0.3, 2, 1.25]; // of scales
const READABLE = 0.85; // smaller only if the reader wants it

export function GraphFrame({ graph, children }: { graph: Graph; children: ComponentChildren }) {
  const store = useStore();
  const { place } = store;
  const index = store.index.value;
  const params = place.route.value.params;
  const way = params.get("dir") === "up" ? "up" : "right";
  const drawn = useMemo(() => layout(graph, way), [graph, way]);
  const chart = useRef<SVGSVGElement>(null);
  const box = usePan();
  const frame = useRef<HTMLDivElement>(null);
  const [scale, setScale] = useState(1);
  const [lit, setLit] = useState<GraphNode | null>(null);
  const fit = (least: number) => setScale(fitting({ width: box.current!.clientWidth - 4, height: box.current!.clientHeight - 4 }, drawn, least));
  useLayoutEffect(() => fit(READABLE), [drawn]);
  useEffect(() => {
    const at = outputAt(drawn);
    if (at) box.current!.scrollTo({ left: at.x * scale - box.current!.clientWidth / 2, top: at.y * scale - box.current!.clientHeight / 2 });
  }, [drawn, scale]);
  const zoom = (by: number) => setScale((now) => Math.max(LEAST, Math.min(MOST, now * by)));
  const pointed = store.pointed.value;
  const pointedNode = pointed?.index === index.number ? graph.nodes.find((one) => !one.others && one.rows.includes(pointed.row)) : undefined;
  const pinned = graph.nodes.find((one) => one.id === params.get("node")) ?? null;
  const light = (node: GraphNode | null) => {
    setLit(node);
    store.pointed.value = node && !node.others && node.rows.length ? { index: index.number, row: node.rows[0]! } : null;
  };
  const pin = (id: string | null) => {
    place.set({ node: id }, true);
    if (id) requestAnimationFrame(() => frame.current?.querySelector(".node-panel")?.scrollIntoView({ block: "nearest" })); // on a narrow screen it lies below
  };
  const name = `${index.info.name}-${graph.output}-graph`;
  const save = async (kind: "svg" | "png" | "json") => {
    if (kind === "json") download(`${name}.json`, new Blob([nodeLink(graph, index.id.bind(index))], { type: "application/json" }));
    else await saveChart(chart.current!, name, kind);
  };
  return (
    <>
      <div class="tools">
        {children}
        <span class="buttons" role="group" aria-label="View of the graph">
          <button type="button" class="button" aria-label={way === "right" ? "Draw from the bottom up" : "Draw from left to right"} title={way === "right" ? "Draw from the bottom up" : "Draw from left to right"} onClick={() => place.set({ dir: way === "right" ? "up" : null }, true)}>
            {way === "right" ? "↑" : "→"}
          </button>
          <button type="button" class="button" aria-label="Smaller" onClick={() => zoom(1 / STEP)}>
            −
          </button>
          <button type="button" class="button" aria-label="Larger" onClick={() => zoom(STEP)}>
            +
          </button>
          <button type="button" class="button" onClick={() => fit(LEAST)}>
            Fit
          </button>
        </span>
        <SaveAs what="the graph" kinds={["svg", "png", "json"] as const} save={save} />
      </div>
      <p class="hint">{passed(graph)}</p>
      <div class="frame" ref={frame}>
        <div class="scroll" ref={box} tabIndex={0} role="region" aria-label="Graph; scrolls">
          <Drawing graph={graph} layout={drawn} scale={scale} lit={(lit ?? pointedNode ?? pinned)?.id ?? null} pinned={pinned?.id ?? null} chart={chart} onLight={light} onPin={(node) => pin(node?.id ?? null)} />
        </div>
        <Panel graph={graph} node={pinned} onPin={pin} />
      </div>
    </>
  );
}

function passed(graph: Graph): string {
  const about = `Shares of each layer's relevance, mean over ${grouped(graph.images)} images`;
  if (!graph.edge_images) return `${about}. Edges to the output only.`;
  const left = graph.dropped_edges ? `; ${grouped(graph.dropped_edges)} weak edges left out, with ${percent(graph.dropped)} of what passes` : "";
  return `${about}; between layers over ${grouped(graph.edge_images)}${left}.`;
}

/** The graph as networkx and others read it. */
function nodeLink(graph: Graph, id: (row: number) => string): string {
  const { nodes, links, edges_possible: _, layouts: __, ...about } = graph;
  return JSON.stringify({ directed: true, multigraph: false, graph: about, nodes: nodes.map((one) => ({ ...one, components: one.rows.map(id) })), links }, null, 1);
}
