/** The graph as SVG: layer after layer, a box for each concept, edges as wide as what passes. */

import type { RefObject } from "preact";
import { useStore } from "../data/store";
import type { Graph, GraphNode } from "../data/types";
import { fitted, lines as broken } from "../table/fitted";
import { percent, rounded } from "../ui/words";
import { Legend, LEGEND } from "./Legend";
import { NodeBox } from "./NodeBox";
import type { LayerName, Layout, Line, Way } from "./layout";

export interface DrawingProps {
  graph: Graph;
  layout: Layout;
  scale: number;
  lit: string | null; // node whose edges stand out
  pinned: string | null;
  chart: RefObject<SVGSVGElement>;
  onLight(node: GraphNode | null): void;
  onPin(node: GraphNode | null): void;
}

const HEAD = 30; // for the title

export function Drawing({ graph, layout, scale, lit, pinned, chart, onLight, onPin }: DrawingProps) {
  const store = useStore();
  const kept = store.kept.value;
  const near = new Set(lit ? graph.links.flatMap(({ source, target }) => (source === lit || target === lit ? [source, target] : [])) : []);
  const most = Math.max(...graph.nodes.map((one) => (one.layer && !one.others ? (one.high ?? one.relevance) : 0)), 1e-12);
  const names = new Map(graph.nodes.map((one) => [one.id, one.label]));
  const [wide, high] = [Math.max(layout.width, LEGEND), layout.height + HEAD + 40];
  return (
    <svg
      ref={chart}
      class={`drawing ${lit ? "lit" : ""} ${lit && lit === pinned ? "held" : ""}`}
      viewBox={`0 0 ${wide} ${high}`}
      width={wide * scale}
      height={high * scale}
      role="group"
      aria-label={`How ${graph.output} comes about: ${graph.nodes.length} nodes, ${graph.links.length} edges`}
      onClick={(event) => event.target === event.currentTarget && onPin(null)}
    >
      <text class="title" x={16} y={24}>
        {fitted(`How “${graph.output}” comes about`, wide - 32, 16, "end", 600)}
      </text>
      <g transform={`translate(0 ${HEAD})`}>
        {layout.names.map((one) => (
          <Name key={one.layer} {...one} way={layout.way} wide={layout.ranks[0]![0]!.wide} />
        ))}
        {layout.lines.map((line) => (
          <Edge key={`${line.link.source}→${line.link.target}`} line={line} names={names} near={!!lit && (line.link.source === lit || line.link.target === lit)} />
        ))}
        {layout.ranks.map((rank, at) =>
          rank.map((box, place) => (
            <NodeBox
              key={box.node.id}
              box={box}
              most={most}
              look={`${near.has(box.node.id) || lit === box.node.id ? "near " : ""}${pinned === box.node.id ? "pinned " : ""}${box.node.rows.length && !box.node.rows.some((row) => kept[row]) ? "filtered" : ""}`}
              pinned={pinned === box.node.id}
              where={{ rank: at, place }}
              onLight={onLight}
              onPin={() => onPin(pinned === box.node.id ? null : box.node)}
              onMove={(key, from) => moveTo(layout, at, place, key, from)}
            />
          )),
        )}
      </g>
      <Legend y={high - 24} />
    </svg>
  );
}

function Name({ layer, x, y, way, wide }: LayerName & { way: Way; wide: number }) {
  if (!layer) return null;
  if (way === "right") {
    return (
      <text class="layer" x={x} y={y}>
        <title>{layer}</title>
        {fitted(layer, wide, 13, "start", 600)}
      </text>
    );
  }
  const parts = broken(layer.replaceAll(".", ". "), 100, 13, 3, 600);
  return (
    <text class="layer" y={y - 8 * (parts.length - 1) + 4}>
      <title>{layer}</title>
      {parts.map((one, at) => (
        <tspan key={at} x={x} dy={at ? 16 : 0}>
          {one.replaceAll(". ", ".")}
        </tspan>
      ))}
    </text>
  );
}

function Edge({ line, names, near }: { line: Line; names: ReadonlyMap<string, string>; near: boolean }) {
  const { link, thick, strength, others, path } = line;
  const sign = link.weight >= 0 ? "for" : "against";
  return (
    <path class={`edge ${sign} ${others ? "others" : ""} ${near ? "near" : ""}`} d={path} stroke-width={thick.toFixed(1)} stroke-opacity={near ? 0.9 : 0.35 + 0.35 * strength}>
      <title>{`${names.get(link.source)} → ${names.get(link.target)}: share ${rounded(link.weight, 3)}, ${percent(link.part)} of what comes in; speaks ${sign}`}</title>
    </path>
  );
}

/** Arrow keys: along the layers, and from box to box in one. */
function moveTo(layout: Layout, rank: number, place: number, key: string, from: Element): boolean {
  const along = layout.way === "right" ? { ArrowRight: 1, ArrowLeft: -1 } : { ArrowUp: 1, ArrowDown: -1 };
  const over = layout.way === "right" ? { ArrowDown: 1, ArrowUp: -1 } : { ArrowRight: 1, ArrowLeft: -1 };
  const step = (along as Record<string, number>)[key] ?? 0;
  const side = (over as Record<string, number>)[key] ?? 0;
  if (!step && !side) return false;
  const next = Math.max(0, Math.min(layout.ranks.length - 1, rank + step));
  const last = layout.ranks[next]!.length - 1;
  const at = step ? Math.round((place / Math.max(1, layout.ranks[rank]!.length - 1)) * last) : Math.max(0, Math.min(last, place + side));
  from.closest("svg")?.querySelector<SVGGElement>(`[data-place="${next} ${at}"]`)?.focus();
  return true;
}
