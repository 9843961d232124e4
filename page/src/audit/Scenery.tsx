/** What stands around the dots of the quadrant chart: axes in words, the quadrants' names, the names of the largest dots. */

import { type Frame, ticks, acrossOf, downOf } from "./frame";
import type { Name } from "./names";
import { regionsOf } from "./paint";
import type { Share } from "./recount";
import { SHORT, percent } from "./words";

const signed = (tick: number) => String(tick).replace("-", "\u2212");

export function Axes({ frame }: { frame: Frame }) {
  const { left, right, top, bottom, height, width } = frame;
  const unit = width < 560 ? "" : " (standard deviations of chance)";
  return (
    <g aria-hidden="true">
      {ticks(frame.valid, right - left).map((tick) => (
        <text key={`x${tick}`} class="tick" x={acrossOf(frame, tick)} y={bottom + 26} text-anchor="middle">
          {signed(tick)}
        </text>
      ))}
      {ticks(frame.spurious, bottom - top).map((tick) => (
        <text key={`y${tick}`} class="tick" x={left - 17} y={downOf(frame, tick) + 4} text-anchor="end">
          {signed(tick)}
        </text>
      ))}
      <text class="axis" x={(left + right) / 2} y={height - 10} text-anchor="middle">
        fits VALID concepts →{unit}
      </text>
      <text class="axis" text-anchor="middle" transform={`translate(14 ${(top + bottom) / 2}) rotate(-90)`}>
        fits SPURIOUS concepts →
      </text>
    </g>
  );
}

/** The quadrants, tinted. */
export function Regions({ frame, edges }: { frame: Frame; edges: { x: number; y: number } }) {
  return (
    <>
      {Object.entries(regionsOf(frame, edges)).map(([name, [x0, y0, x1, y1]]) => (
        <rect key={name} class={`region ${name}`} x={x0} y={y0} width={x1 - x0} height={y1 - y0} />
      ))}
    </>
  );
}

/** Each quadrant's name and share, in the corner of the chart where it lies. */
export function Corners({ frame, edges, shares }: { frame: Frame; edges: { x: number; y: number }; shares: Share[] }) {
  const regions = regionsOf(frame, edges);
  return (
    <g aria-hidden="true">
      {shares.map(({ quadrant, relevance }) => {
        const [x0, y0, x1, y1] = regions[quadrant];
        if (x1 - x0 < 90 || y1 - y0 < 22) return null;
        const start = quadrant === "spurious" || quadrant === "neither";
        const upper = quadrant === "spurious" || quadrant === "both";
        return (
          <text key={quadrant} class={`corner ${quadrant}`} x={start ? x0 + 8 : x1 - 8} y={upper ? y0 + 20 : y1 - 10} text-anchor={start ? "start" : "end"}>
            {SHORT[quadrant]} {percent(relevance, 0)}
          </text>
        );
      })}
    </g>
  );
}

export function Names({ names }: { names: Name[] }) {
  return (
    <g aria-hidden="true">
      {names.map(({ lead }, at) => lead && <line key={at} class="lead" x1={lead[0]} y1={lead[1]} x2={lead[2]} y2={lead[3]} />)}
      {names.map(({ text, x, y }, at) => (
        <text key={at} class="name" x={x} y={y} text-anchor="middle">
          {text}
        </text>
      ))}
    </g>
  );
}
