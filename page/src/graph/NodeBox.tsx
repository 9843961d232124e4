/** A node of the graph: its picture, what it is called, how much speaks for and against the class through it. */

import { useStore } from "../data/store";
import type { GraphNode } from "../data/types";
import { fitted, lines } from "../table/fitted";
import { usePicture } from "../ui/picture";
import { counted, percent } from "../ui/words";
import type { Box } from "./layout";

export interface NodeBoxProps {
  box: Box;
  most: number; // relevance of a full bar
  look: string;
  pinned: boolean;
  where: { rank: number; place: number };
  onLight(node: GraphNode | null): void;
  onPin(): void;
  onMove(key: string, from: Element): boolean; // whether the key moved
}

const [THUMB, PAD] = [54, 10];

export function NodeBox({ box, most, look, pinned, where, onLight, onPin, onMove }: NodeBoxProps) {
  const { node, wide, high } = box;
  const kind = node.others ? "others" : node.unlabelled ? "unlabelled" : node.layer ? "concept" : "output";
  const picture = node.layer && !node.others && node.rows.length > 0;
  const left = picture ? PAD + THUMB + 8 : PAD;
  const room = wide - left - PAD;
  const name = lines(node.label, room, 13, 2, 600);
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" || event.key === " ") onPin();
    else if (event.key === "Escape" && pinned) onPin();
    else if (!onMove(event.key, event.currentTarget as Element)) return;
    event.preventDefault();
  };
  return (
    <g
      class={`node ${kind} ${look}`}
      transform={`translate(${box.x} ${box.y})`}
      tabindex={0}
      role="button"
      aria-pressed={pinned}
      data-place={`${where.rank} ${where.place}`}
      onMouseEnter={() => onLight(node)}
      onMouseLeave={() => onLight(null)}
      onFocus={() => onLight(node)}
      onBlur={() => onLight(null)}
      onClick={onPin}
      onKeyDown={pressed}
    >
      {/* its name too, for those who hear the page */}
      <title>{told(node)}</title>
      <g aria-hidden="true">
        <rect class="box" x={0.5} y={0.5} width={wide - 1} height={high - 1} rx={8} />
        {picture && <Thumb row={node.rows[0]!} />}
        <text class="name" x={left} y={name.length > 1 ? 23 : 31}>
          {name.map((one, at) => (
            <tspan key={at} x={left} dy={at ? 16 : 0}>
              {one}
            </tspan>
          ))}
        </text>
        <text class="small" x={left} y={57}>
          {fitted(remark(node), room, 11.5)}
        </text>
        <Shares box={box} most={node.layer && !node.others ? most : Math.max(node.relevance, most)} />
      </g>
    </g>
  );
}

function Thumb({ row }: { row: number }) {
  const index = useStore().index.value;
  const crop = index.base.crop[row] ?? -1;
  const source = usePicture(crop < 0 ? null : index.at(`crop/${crop}.webp`));
  return (
    <>
      <rect class="thumb" x={PAD} y={PAD} width={THUMB} height={THUMB} />
      {source && <image href={source} x={PAD} y={PAD} width={THUMB} height={THUMB} preserveAspectRatio="xMidYMid slice" />}
    </>
  );
}

/** Bars of what speaks for and against, the first with its interval over images. */
function Shares({ box: { node, wide, high }, most }: { box: Box; most: number }) {
  const full = wide - 2 * PAD;
  const x = (value: number) => PAD + full * Math.min(1, value / most);
  const y = high - 19;
  return (
    <>
      <rect class="ground" x={PAD} y={y} width={full} height={6} rx={1} />
      <rect class="share for" x={PAD} y={y} width={x(node.relevance) - PAD} height={6} rx={1} />
      {node.against > 0 && <rect class="share against" x={PAD} y={y + 8} width={x(node.against) - PAD} height={3} rx={1} />}
      {node.low !== null && node.high !== null && <path class="interval" d={`M${x(node.low)} ${y + 3}H${x(node.high)}M${x(node.low)} ${y}v6M${x(node.high)} ${y}v6`} />}
    </>
  );
}

function remark(node: GraphNode): string {
  const share = percent(node.relevance);
  if (!node.layer) return `${share} for${node.against >= 0.005 ? `, ${percent(node.against)} against` : ""}`;
  if (node.others) return share;
  return node.unlabelled ? `${share} · no label` : `${share} · ${counted(node.rows.length, "component")}`;
}

/** All that the box shows, in words. */
export function told(node: GraphNode): string {
  const interval = node.low !== null && node.high !== null ? ` (95 % interval ${percent(node.low)} to ${percent(node.high)})` : "";
  const layer = node.layer ? `${node.layer}, ` : "output, ";
  const label = node.unlabelled ? `${node.label}, no label fits` : node.label;
  return `${layer}${label}: ${percent(node.relevance)} for${interval}, ${percent(node.against)} against`;
}
