/** Each layer's mean of the measures with its interval, over the band that random components reach. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import type { LayerSummary, Measure } from "../data/types";
import { Await } from "../ui/Await";
import { SaveAs } from "../ui/SaveAs";
import { saveChart } from "../ui/save";
import { rounded } from "../ui/words";
import { fitted } from "./fitted";

const MEASURES: Record<Measure, string> = {
  clarity: "how alike the examples of a component are",
  polysemanticity: "whether they show two different things",
  redundancy: "how close its twin in the layer is",
};
const [ROW, HEAD, FOOT, GAP, VALUE] = [24, 34, 18, 28, 40]; // pixels;

export function Summary() {
  const store = useStore();
  const index = store.index.value;
  const chart = useRef<SVGSVGElement>(null);
  return (
    <details class="measures" open={matchMedia("(min-width: 761px)").matches}>
      <summary>
        How clear each layer is
      </summary>
      <div class="key">
        <p class="hint">Dot and line: a layer's mean with its 95 % interval. Grey band: what random sets of images reach.</p>
        <SaveAs what="the chart of measures" kinds={["svg", "png"] as const} save={(kind) => saveChart(chart.current!, `${index.info.name}-measures`, kind)} />
      </div>
      <div class="chart">
        <Await of={index.scores.value} what="measures">
          {(scores) => (
            <>
              <Chart rows={scores.summary} of={chart} />
              <Numbers rows={scores.summary} />
            </>
          )}
        </Await>
      </div>
    </details>
  );
}

function Chart({ rows, of }: { rows: LayerSummary[]; of: { current: SVGSVGElement | null } }) {
  const [wide, setWide] = useState(900);
  const around = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => setWide(around.current?.clientWidth || 900), []);
  useEffect(() => {
    const watch = new ResizeObserver(() => setWide(around.current?.clientWidth || 900));
    watch.observe(around.current!);
    return () => watch.disconnect();
  }, []);
  const layers = [...new Set(rows.map((one) => one.layer))];
  const beside = wide >= 620;
  const names = Math.min(150, Math.max(...layers.map((one) => 8 * one.length)) + 8, wide / 3);
  const panel = beside ? (wide - names - 3 * GAP) / 3 : wide - names - GAP;
  const tall = HEAD + layers.length * ROW + FOOT;
  const high = beside ? tall : 3 * tall;
  return (
    <div class="drawing" ref={around}>
      <svg ref={(element) => void (of.current = element)} viewBox={`0 0 ${wide} ${high}`} width={wide} height={high} role="img" aria-label="Means of the measures for each layer; the table after it has the same numbers">
        {Object.entries(MEASURES).map(([measure, says], at) => (
          <g key={measure} transform={beside ? `translate(${names + at * (panel + GAP)} 0)` : `translate(${names} ${at * tall})`}>
            {(at === 0 || !beside) && layers.map((layer, row) => <Name key={layer} layer={layer} y={HEAD + (row + 0.5) * ROW} wide={names - 10} />)}
            <text class="head" x={0} y={13}>
              {measure}
            </text>
            <text class="says" x={0} y={28}>
              {fitted(says, panel + GAP - 8, 11)}
            </text>
            <Panel rows={layers.map((layer) => rows.find((one) => one.layer === layer && one.measure === measure))} wide={panel} />
          </g>
        ))}
      </svg>
    </div>
  );
}

function Name({ layer, y, wide }: { layer: string; y: number; wide: number }) {
  return (
    <text class="layer" x={-10} y={y + 4} text-anchor="end">
      <title>{layer}</title>
      {fitted(layer, wide, 12, "start")}
    </text>
  );
}

/** One measure: a row for each layer, from 0 to 1 unless values lie elsewhere. */
function Panel({ rows, wide }: { rows: (LayerSummary | undefined)[]; wide: number }) {
  const values = rows.flatMap((one) => (one ? [one.low, one.high, one.mean, one.baseline_low, one.baseline_high, one.untrained] : [])).filter((one) => one !== null);
  const low = Math.min(0, ...values);
  const high = Math.max(low + 0.1, ...values) * 1.04;
  const x = (value: number) => ((value - low) / (high - low)) * (wide - VALUE);
  const foot = HEAD + rows.length * ROW;
  return (
    <>
      <path class="axis" d={`M0 ${foot}H${wide - VALUE}`} />
      {[low, high / 1.04].map((value, at) => (
        <text key={at} class="tick" x={x(value)} y={foot + 14} text-anchor={at ? "end" : "start"}>
          {rounded(value)}
        </text>
      ))}
      {rows.map((one, at) => one && <Mark key={one.layer} row={one} y={HEAD + at * ROW} x={x} wide={wide} />)}
    </>
  );
}

function Mark({ row, y, x, wide }: { row: LayerSummary; y: number; x: (value: number) => number; wide: number }) {
  const { mean, low, high, baseline, baseline_low, baseline_high } = row;
  return (
    <g>
      <title>{told(row)}</title>
      <rect class="ground" x={0} y={y + 2} width={wide - VALUE} height={ROW - 4} />
      {baseline_low !== null && baseline_high !== null && <rect class="chance" x={x(baseline_low)} y={y + 3} width={Math.max(2, x(baseline_high) - x(baseline_low))} height={ROW - 6} />}
      {baseline !== null && <path class="baseline" d={`M${x(baseline)} ${y + 3}v${ROW - 6}`} />}
      {low !== null && high !== null && <path class="interval" d={`M${x(low)} ${y + ROW / 2}H${x(high)}M${x(low)} ${y + ROW / 2 - 3}v6M${x(high)} ${y + ROW / 2 - 3}v6`} />}
      {row.untrained !== null && <path class="untrained" d={`M${x(row.untrained)} ${y + ROW / 2 - 6}l5 6l-5 6l-5 -6z`} />}
      {mean !== null && <circle class="mean" cx={x(mean)} cy={y + ROW / 2} r={4.5} />}
      <text class="value" x={wide} y={y + ROW / 2 + 4} text-anchor="end">
        {mean === null ? "" : rounded(mean)}
      </text>
    </g>
  );
}

function told({ layer, measure, mean, low, high, baseline, baseline_low, baseline_high, untrained }: LayerSummary): string {
  return `${layer}, ${measure}: mean ${rounded(mean, 3)} (95 % interval ${rounded(low, 3)} to ${rounded(high, 3)}); random: ${rounded(baseline, 3)} (${rounded(baseline_low, 3)} to ${rounded(baseline_high, 3)})${untrained === null ? "" : `; untrained network: ${rounded(untrained, 3)}`}`;
}

/** The same for those who hear the page. */
function Numbers({ rows }: { rows: LayerSummary[] }) {
  return (
    <div class="unseen">
      <table>
        <caption>Means of the measures for each layer</caption>
        <thead>
          <tr>
            <th scope="col">Layer and measure</th>
            <th scope="col">Mean</th>
            <th scope="col">Interval</th>
            <th scope="col">Random</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one) => (
            <tr key={`${one.layer} ${one.measure}`}>
              <th scope="row">
                {one.layer}, {one.measure}
              </th>
              <td>{rounded(one.mean, 3)}</td>
              <td>
                {rounded(one.low, 3)} to {rounded(one.high, 3)}
              </td>
              <td>
                {rounded(one.baseline_low, 3)} to {rounded(one.baseline_high, 3)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
