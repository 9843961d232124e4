/** How similar a component is to what was asked for, on the scale that all cards share, with what chance reaches. */

import { rounded } from "../ui/words";

export interface Scale {
  top: number; // similarity at the right end; the left end is 0
  baseline: number; // 95 % of random components stay below; NaN if there are none
}

export function Similarity({ value, scale }: { value: number; scale: Scale }) {
  const chance = value <= scale.baseline;
  const at = (of: number) => `${100 * Math.min(1, Math.max(0, of / scale.top))}%`;
  return (
    <span class={`similarity ${chance ? "chance" : ""}`}>
      <span class="similarity-bar" aria-hidden="true">
        <span class="fill" style={{ width: at(value) }} />
        {Number.isFinite(scale.baseline) && <span class="tick" style={{ left: at(scale.baseline) }} />}
      </span>
      <span class="similarity-words">
        <span class="value" title="cosine similarity">
          {rounded(value)}
        </span>
        {chance && " no better than chance"}
      </span>
    </span>
  );
}

export function scaleOf(similarity: Float32Array, baseline: number): Scale {
  let top = 0;
  for (const value of similarity) if (value > top) top = value;
  return { top: Math.max(top, (Number.isFinite(baseline) ? baseline : 0) * 1.05, 0.01), baseline };
}
