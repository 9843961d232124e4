/** The chart as one SVG, with its dots in it, to be saved. */

import { render } from "preact";
import { type ChartKind, saveChart } from "../ui/save";
import { type Dots, type Frame, edgeOf } from "./frame";
import { outline } from "./Marks";
import { placeNames } from "./names";
import { Axes, Corners, Names, Regions } from "./Scenery";
import { SIDES, type Side } from "./spec";
import { type AuditState, called } from "./state";
import { Needs } from "./Threshold";
import { QUADRANTS } from "./words";

const SINGLE = 1500; // dots that are shapes of their own in the file; of the rest, a quadrant's are one
const NAMED = 10;

/** Saves the chart of the dots. */
export async function saveDots(near: HTMLElement, state: AuditState, frame: Frame, dots: Dots, name: string, kind: ChartKind): Promise<void> {
  const place = near.appendChild(document.createElement("div"));
  place.className = "off-screen";
  try {
    render(<ChartPicture state={state} frame={frame} dots={dots} />, place);
    await saveChart(place.querySelector("svg")!, name, kind);
  } finally {
    render(null, place);
    place.remove();
  }
}

function ChartPicture({ state, frame, dots }: { state: AuditState; frame: Frame; dots: Dots }) {
  const counted = state.counted.value!;
  const limit = (side: Side) => counted.moved[side] ?? state.critical(side);
  const edges = { x: edgeOf(frame, "valid", limit("valid")), y: edgeOf(frame, "spurious", limit("spurious")) };
  const shape = (dot: number) => outline(state.quadrant(dots.at[dot]!), dots.x[dot]!, dots.y[dot]!, dots.radius[dot]!);
  const all = [...dots.at.keys()];
  const texts = all.slice(0, NAMED).map((dot) => called(state.index, counted.audit.rows[dots.at[dot]!]!, state.quadrant(dots.at[dot]!)));
  const rest = all.slice(SINGLE);
  return (
    <svg class="scatter" viewBox={`0 0 ${frame.width} ${frame.height}`} width={frame.width} height={frame.height}>
      <Regions frame={frame} edges={edges} />
      {QUADRANTS.map((name) => (
        <path key={name} class={`dot ${name}`} d={rest.filter((dot) => state.quadrant(dots.at[dot]!) === name).map(shape).join("")} />
      ))}
      {all.slice(0, SINGLE).map((dot) => (
        <path key={dot} class={`dot ${state.quadrant(dots.at[dot]!)}`} d={shape(dot)}>
          <title>{counted.audit.rows[dots.at[dot]!]!.component}</title>
        </path>
      ))}
      <Axes frame={frame} />
      <Corners frame={frame} edges={edges} shares={counted.shares.filter((one) => one.layer === state.layer.value)} />
      <line class="threshold" x1={edges.x} x2={edges.x} y1={frame.top} y2={frame.bottom} />
      <line class="threshold" x1={frame.left} x2={frame.right} y1={edges.y} y2={edges.y} />
      {SIDES.map((side) => (
        <Needs key={side} side={side} frame={frame} value={limit(side)} yours={counted.moved[side] !== null} />
      ))}
      <Names names={placeNames(dots, texts, frame)} />
    </svg>
  );
}
