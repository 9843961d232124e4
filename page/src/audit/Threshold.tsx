/** A threshold of the chart: a dashed line with a handle, moved by dragging and by the arrow keys. */

import type { Side } from "./spec";
import { type Frame, alignmentAt, edgeOf } from "./frame";
import type { AuditState } from "./state";
import { deviations } from "./words";

const STEP = 0.1; // standard deviations that an arrow key moves
const LEAP = 1; // ... and a page key

const round = (value: number) => Math.round(value * 100) / 100;

export function Threshold({ state, side, frame }: { state: AuditState; side: Side; frame: Frame }) {
  const critical = state.critical(side);
  const moved = state.moved.value[side];
  const value = moved ?? critical;
  const [low, high] = frame[side].map(round) as [number, number];
  const put = (next: number) => state.move({ [side]: round(Math.min(Math.max(next, low), high)) });
  const at = edgeOf(frame, side, value);
  const upright = side === "valid";
  const ends = upright ? { x1: at, x2: at, y1: frame.top, y2: frame.bottom } : { x1: frame.left, x2: frame.right, y1: at, y2: at };
  const chanceAt = edgeOf(frame, side, critical);
  const drag = (event: PointerEvent) => {
    const grip = event.currentTarget as SVGGElement;
    if (!grip.hasPointerCapture(event.pointerId)) return;
    const box = grip.ownerSVGElement!.getBoundingClientRect();
    put(alignmentAt(frame, side, event.clientX - box.left, event.clientY - box.top));
  };
  const keyed = (event: KeyboardEvent) => {
    const next = nextOf(event.key, Number.isFinite(value) ? value : high, low, high, event.shiftKey);
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (next === null) state.move({ [side]: null });
    else put(next);
  };
  return (
    <g class={`threshold-of ${side}`}>
      {moved !== null && <line class="chance-line" {...(upright ? { x1: chanceAt, x2: chanceAt, y1: frame.top, y2: frame.bottom } : { x1: frame.left, x2: frame.right, y1: chanceAt, y2: chanceAt })} />}
      <line class={`threshold ${moved !== null ? "moved" : ""}`} {...ends} />
      <g
        class="grip"
        role="slider"
        tabindex={0}
        aria-label={`Threshold for ${side} concepts`}
        aria-orientation={upright ? "horizontal" : "vertical"}
        aria-valuemin={low}
        aria-valuemax={high}
        aria-valuenow={round(Math.min(value, high))}
        aria-valuetext={`${Number.isFinite(value) ? `${deviations(value)} standard deviations` : "no alignment is enough"}, ${moved === null ? "from chance" : "yours"}`}
        onPointerDown={(event) => {
          event.stopPropagation();
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={drag}
        onPointerUp={(event) => event.stopPropagation()}
        onDblClick={() => state.move({ [side]: null })}
        onKeyDown={keyed}
      >
        <title>Drag, or use the arrow keys; Delete: back to chance</title>
        <line class="reach" {...ends} />
        <path d={upright ? `M${at} ${frame.bottom - 2}l8 9v5h-16v-5z` : `M${frame.left + 2} ${at}l-9 8h-5v-16h5z`} />
      </g>
      <Needs side={side} frame={frame} value={value} yours={moved !== null} />
    </g>
  );
}

/** What has to be exceeded, beside its line. */
export function Needs({ side, frame, value, yours }: { side: Side; frame: Frame; value: number; yours: boolean }) {
  const at = edgeOf(frame, side, value);
  const place = side === "valid" ? { x: at, y: frame.top - 6, "text-anchor": "middle" as const } : { x: frame.right - 4, y: at - 5, "text-anchor": "end" as const };
  return (
    <text class="needs" aria-hidden="true" {...place}>
      {yours ? "yours" : "chance"} {deviations(value)}
    </text>
  );
}

/** Where a key moves the threshold to; null: back to chance; undefined: it is none of these keys. */
function nextOf(key: string, value: number, low: number, high: number, far: boolean): number | null | undefined {
  const step = far ? LEAP : STEP;
  if (key === "ArrowRight" || key === "ArrowUp") return value + step;
  if (key === "ArrowLeft" || key === "ArrowDown") return value - step;
  if (key === "PageUp") return value + LEAP;
  if (key === "PageDown") return value - LEAP;
  if (key === "Home") return low;
  if (key === "End") return high;
  return key === "Delete" || key === "Backspace" ? null : undefined;
}
