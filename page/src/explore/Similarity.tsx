/** What a component has to do with what was asked for, on the scale that all cards share, with what chance reaches: the
 *  effect with its interval, or how similar its examples are. */

import type { Search } from "../data/store";
import { rounded } from "../ui/words";

export interface Scale {
  by: Search["by"];
  top: number; // value at the right end; the left end is 0
  baseline: number; // 95 % of random components stay below; NaN if there are none
  error: number; // standard error of the values; 0 where there is none
}

const WIDE = 1.96; // standard errors, of a 95 % interval

export function Similarity({ value, scale }: { value: number; scale: Scale }) {
  const chance = !(value > scale.baseline) && Number.isFinite(scale.baseline);
  const at = (of: number) => `${100 * Math.min(1, Math.max(0, of / scale.top))}%`;
  const [low, high] = [value - WIDE * scale.error, value + WIDE * scale.error];
  const wide = scale.error > 0 && Number.isFinite(value);
  const title = wide ? `effect: standard deviations of its activation per unit of the foundation model’s space, with the 95 % interval; z ${(value / scale.error).toFixed(1)}` : scale.by === "encoding" ? "effect" : "alignment: cosine similarity to what is asked, less that to nothing in particular";
  return (
    <span class={`similarity ${chance ? "chance" : ""}`}>
      <span class="similarity-bar" aria-hidden="true">
        <span class="fill" style={{ width: at(value) }} />
        {wide && <span class="whisker" style={{ left: at(low), width: `calc(${at(high)} - ${at(low)})` }} />}
        {Number.isFinite(scale.baseline) && <span class="tick" style={{ left: at(scale.baseline) }} />}
      </span>
      <span class="similarity-words">
        <span class="value" title={title}>
          {Number.isFinite(value) ? rounded(value) : "not encoded"}
        </span>
        {wide && ` (${rounded(low)} to ${rounded(high)})`}
        {chance && (wide ? " as by chance" : " no better than chance")}
      </span>
    </span>
  );
}

export function scaleOf({ by, value, baseline, error }: Search): Scale {
  let top = 0;
  for (const one of value) if (one > top) top = one;
  return { by, top: Math.max(top + WIDE * error, (Number.isFinite(baseline) ? baseline : 0) * 1.05, 0.01), baseline, error };
}
