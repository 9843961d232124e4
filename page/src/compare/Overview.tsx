/** How much of each side is in the other: a bar with its interval beside what chance reaches, and below it how near the
 *  components come one by one. */

import { type RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Comparison } from "../data/types";
import { fitted, wide } from "../table/fitted";
import { grouped, rounded } from "../ui/words";
import { counts } from "./pairs";

const [BAR, TALL, GAP, BINS, LEFT] = [14, 196, 36, 40, 4];

export function Overview({ comparison, chart }: { comparison: Comparison; chart: RefObject<SVGSVGElement> }) {
  const around = useRef<HTMLDivElement>(null);
  const [room, setRoom] = useState(900);
  const measure = () => setRoom(around.current?.clientWidth || 900);
  useLayoutEffect(measure, []);
  useEffect(() => {
    const watch = new ResizeObserver(measure);
    watch.observe(around.current!);
    return () => watch.disconnect();
  }, []);
  const beside = room >= 640;
  const panel = beside ? (room - GAP) / 2 : room;
  const lowest = comparison.matches.reduce((least, one) => Math.min(least, one.similarity), 0); // too many to be arguments
  const low = Math.min(lowest, ...comparison.pairs.map((one) => one.baseline_low ?? one.baseline));
  return (
    <div class="overview" ref={around}>
      <svg ref={chart} viewBox={`0 0 ${room} ${beside ? TALL : 2 * TALL}`} width={room} height={beside ? TALL : 2 * TALL} role="img" aria-label={[0, 1].map((from) => told(comparison, from)).join(" ")}>
        {[0, 1].map((from) => (
          <g key={from} transform={beside ? `translate(${from * (panel + GAP)} 0)` : `translate(0 ${from * TALL})`}>
            <Direction comparison={comparison} from={from} wide={panel} low={low} />
          </g>
        ))}
      </svg>
    </div>
  );
}

/** The pair's row that speaks of one direction. */
function pairOf({ sides, pairs }: Comparison, from: number) {
  return pairs.find((one) => one.source === sides[from]!.name) ?? pairs[from]!;
}

function told(comparison: Comparison, from: number): string {
  const pair = pairOf(comparison, from);
  const { shared, unique } = counts(comparison, from);
  return `How much of ${"AB"[from]} is in ${"BA"[from]}: similarity ${rounded(pair.similarity)}, 95 % interval ${rounded(pair.low)} to ${rounded(pair.high)}, random ${rounded(pair.baseline)}${pair.untrained === null ? "" : `, untrained ${rounded(pair.untrained)}`}; ${grouped(shared)} shared, ${grouped(unique)} unique.`;
}

function Direction({ comparison, from, wide: room, low }: { comparison: Comparison; from: number; wide: number; low: number }) {
  const pair = pairOf(comparison, from);
  const { shared, unique } = counts(comparison, from);
  const x = (value: number) => LEFT + ((value - low) / (1 - low)) * (room - 2 * LEFT);
  const band = { low: pair.baseline_low ?? pair.baseline, high: pair.baseline_high ?? pair.baseline };
  const floor = TALL - 22;
  return (
    <>
      <title>{told(comparison, from)}</title>
      <text class="head" x={LEFT} y={15}>
        How much of {"AB"[from]} is in {"BA"[from]}
      </text>
      <Figures pair={pair} room={room} />
      <rect class="ground" x={x(low)} y={46} width={x(1) - x(low)} height={BAR} />
      <rect class="bar" x={x(0)} y={46} width={Math.max(0, x(pair.similarity) - x(0))} height={BAR} />
      <rect class="chance" x={x(band.low)} y={41} width={Math.max(2, x(band.high) - x(band.low))} height={BAR + 10} />
      {pair.untrained !== null && <path class="untrained" d={`M${x(pair.untrained)} 38v${BAR + 16}`} />}
      {pair.low !== null && pair.high !== null && <path class="interval" d={`M${x(pair.low)} ${46 + BAR / 2}H${x(pair.high)}M${x(pair.low)} 48v${BAR - 4}M${x(pair.high)} 48v${BAR - 4}`} />}
      <Histogram comparison={comparison} from={from} low={low} x={x} top={96} floor={floor} />
      <text class="small" x={LEFT} y={86}>
        <tspan class="key shared">■</tspan> {grouped(shared)} shared <tspan class="key unique">■</tspan> {grouped(unique)} unique to {"AB"[from]}
      </text>
      <path class="axis" d={`M${x(low)} ${floor}H${x(1)}`} />
      {[low, (1 + low) / 2, 1].map((value, at) => (
        <text key={at} class="tick" x={x(value)} y={floor + 15} text-anchor={["start", "middle", "end"][at]}>
          {at === 1 ? `similarity ${rounded(value)}` : rounded(value)}
        </text>
      ))}
    </>
  );
}

function Figures({ pair, room }: { pair: Comparison["pairs"][number]; room: number }) {
  const main = rounded(pair.similarity);
  const rest = `${pair.low === null ? "" : ` (${rounded(pair.low)} – ${rounded(pair.high)})`}; by chance ${rounded(pair.baseline_low ?? pair.baseline)} – ${rounded(pair.baseline_high ?? pair.baseline)}${pair.untrained === null ? "" : `, untrained ${rounded(pair.untrained)}`}`;
  return (
    <text class="small" x={LEFT} y={34}>
      <tspan class="figure">{main}</tspan>
      {fitted(rest, room - wide(main, 13, 600) - 12, 12)}
    </text>
  );
}

/** How many components come how near; the shared stand on the unique ones. */
function Histogram({ comparison, from, low, x, top, floor }: { comparison: Comparison; from: number; low: number; x: (value: number) => number; top: number; floor: number }) {
  const bins = Array.from({ length: BINS }, () => ({ shared: 0, unique: 0 }));
  for (const one of comparison.matches) {
    if (one.from !== from) continue;
    const at = Math.min(BINS - 1, Math.max(0, Math.floor(((one.similarity - low) / (1 - low)) * BINS)));
    bins[at]![one.shared ? "shared" : "unique"]++;
  }
  const most = Math.max(1, ...bins.map((one) => one.shared + one.unique));
  const step = (1 - low) / BINS;
  return (
    <>
      {bins.map(({ shared, unique }, at) => {
        const start = low + at * step;
        const left = x(start) + 0.5;
        const width = x(start + step) - x(start) - 1;
        const [up, on] = [unique, shared].map((one) => (one / most) * (floor - top)) as [number, number];
        return (
          <g key={at}>
            <title>{`similarity ${rounded(start)} to ${rounded(start + step)}: ${grouped(shared)} shared, ${grouped(unique)} unique`}</title>
            {unique > 0 && <rect class="unique" x={left} y={floor - up} width={width} height={up} />}
            {shared > 0 && <rect class="shared" x={left} y={floor - up - on} width={width} height={on} />}
          </g>
        );
      })}
    </>
  );
}
