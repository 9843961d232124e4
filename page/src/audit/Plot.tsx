/** The chart itself: dots on a canvas, and over it in SVG what is read, pointed at and moved. */

import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { useStore } from "../data/store";
import { theme } from "../ui/theme";
import { type Dots, type Frame, edgeOf, someOf } from "./frame";
import { type Name, placeNames } from "./names";
import { Overlay } from "./Overlay";
import { paint } from "./paint";
import { Axes, Corners, Names, Regions } from "./Scenery";
import { type AuditState, called } from "./state";
import { Threshold } from "./Threshold";
import { useDark } from "./useDark";
import type { Tool } from "./usePointer";
import { count } from "./words";

const LIVE = 1500; // dots that follow a threshold while it is moved; the others do when it rests
const NAMED = 10; // dots whose name stands beside them
const NARROW = 480; // pixels; on less, half as many

export interface PlotProps {
  state: AuditState;
  frame: Frame;
  dots: Dots;
  tool: Tool;
}

export function Plot({ state, frame, dots, tool }: PlotProps) {
  const store = useStore();
  const [near, far] = [useRef<HTMLCanvasElement>(null), useRef<HTMLCanvasElement>(null)];
  const { audit, quadrant, moved, shares } = state.counted.value!;
  const settled = state.settled.value!.quadrant;
  const kept = store.kept.value;
  const edge = (side: "valid" | "spurious") => edgeOf(frame, side, moved[side] ?? state.critical(side));
  const edges = { x: edge("valid"), y: edge("spurious") };
  const passes = (dot: number) => kept[audit.rows[dots.at[dot]!]!.row] === 1;
  const dark = useDark();
  const look = (stands: Uint8Array) => ({ frame, dots, quadrant: (dot: number) => stands[dots.at[dot]!]!, kept: passes });
  useLayoutEffect(() => paint(near.current!, look(quadrant), 0, LIVE), [frame, dots, quadrant, kept, dark, theme.value]);
  useLayoutEffect(() => paint(far.current!, look(settled), LIVE, Infinity), [frame, dots, settled, kept, dark, theme.value]);
  const layer = state.layer.value;
  return (
    <div class="plot" style={{ height: `${frame.height}px` }}>
      <svg class="scatter regions" width={frame.width} height={frame.height} aria-hidden="true">
        <Regions frame={frame} edges={edges} />
      </svg>
      {[far, near].map((canvas, at) => (
        <canvas key={at} ref={canvas} style={{ width: `${frame.width}px`, height: `${frame.height}px` }} aria-hidden="true" />
      ))}
      <Overlay {...{ state, frame, dots, tool }} label={`Quadrant chart of ${layer}: ${count(dots.at.length, "component")}`}>
        <Axes frame={frame} />
        <Corners frame={frame} edges={edges} shares={shares.filter((one) => one.layer === layer)} />
        <Names names={useNames(state, dots, frame, kept)} />
        <Threshold state={state} side="valid" frame={frame} />
        <Threshold state={state} side="spurious" frame={frame} />
      </Overlay>
    </div>
  );
}

/** Names the foremost dots that pass the filters; not anew while a threshold is being moved. */
function useNames(state: AuditState, dots: Dots, frame: Frame, kept: Uint8Array): Name[] {
  const settled = state.settled.value;
  const annotations = state.index.annotations.value;
  return useMemo(() => {
    const { rows } = state.counted.peek()!.audit;
    const most = frame.width < NARROW ? NAMED / 2 : NAMED;
    const foremost: number[] = [];
    for (let dot = 0; dot < dots.at.length && foremost.length < most; dot++) if (kept[rows[dots.at[dot]!]!.row]) foremost.push(dot);
    const texts = foremost.map((dot) => called(state.index, rows[dots.at[dot]!]!, state.quadrant(dots.at[dot]!)));
    return placeNames(someOf(dots, foremost), texts, frame);
  }, [dots, frame, kept, settled, annotations]);
}
