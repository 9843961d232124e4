/** How its activation is spread over all images, and where the examples lie. */

import { useRef } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import type { Component } from "../data/types";
import { saveChart } from "../ui/save";
import { counted, percent } from "../ui/words";
import { layOut } from "./histogram";

const WIDE = 360;
const FOOT = 40; // below the bars: marks, numbers

export function Activation({ index, found }: { index: Indexed; found: Component }) {
  const chart = useRef<SVGSVGElement>(null);
  const drawn = layOut(found, WIDE);
  const room = drawn?.bars.length ? 110 : 6; // above the axis
  const high = room + FOOT;
  return (
    <section class="panel" aria-label="Activation">
      <h2>Activation</h2>
      <p>
        It fires on <strong>{percent(found.images ? found.fired / found.images : null)}</strong> of {counted(found.images, "image")}
        {found.nan > 0 && `; on ${counted(found.nan, "image")} its activation is not a number`}.
      </p>
      {drawn && (
        <figure class="chart">
          <svg ref={chart} viewBox={`0 0 ${WIDE} ${high}`} role="img" aria-label={drawn.says}>
            {drawn.bars.map((bar, at) => (
              <rect key={at} class={bar.zero ? "bar-zero" : "bar-some"} x={bar.x} width={bar.width} y={room - bar.height * (room - 14)} height={bar.height * (room - 14)}>
                <title>{bar.says}</title>
              </rect>
            ))}
            <path class="axis" d={`M0 ${room}H${WIDE}`} />
            {drawn.marks.map((x, at) => (
              <path key={at} class="mark" d={`M${x} ${room + 2}v9`} />
            ))}
            {drawn.ticks.map(({ x, text, anchor }) => (
              <text key={text} x={x} y={room + 25} text-anchor={anchor}>
                {text}
              </text>
            ))}
            <text class="name" x={WIDE} y={high - 3} text-anchor="end">
              {drawn.axis}
            </text>
            {drawn.zero && (
              <text x={drawn.zero.x} y={high - 3} text-anchor="start">
                about 0: {drawn.zero.text}
              </text>
            )}
          </svg>
          <figcaption class="soft">
            <span>{drawn.bars.length ? "Images by activation, on a logarithmic scale; the marks below are the examples." : "The marks are its examples."}</span>
            <span class="save">
              {(["svg", "png"] as const).map((kind) => (
                <button key={kind} type="button" class="link" aria-label={`Save as ${kind.toUpperCase()}`} onClick={() => chart.current && saveChart(chart.current, `activation ${index.id(found.row)}`, kind)}>
                  {kind.toUpperCase()}
                </button>
              ))}
            </span>
          </figcaption>
        </figure>
      )}
    </section>
  );
}
