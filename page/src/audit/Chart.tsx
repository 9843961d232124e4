/** The quadrant chart: how well each component fits valid and spurious concepts, and how relevant it is. */

import { useMemo, useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import { SaveAs } from "../ui/SaveAs";
import { saveDots } from "./ChartPicture";
import { Plot } from "./Plot";
import { dotsOf, frameOf } from "./frame";
import { type Counted, isMoved, ofLayer, valueOf } from "./recount";
import { parseRequirement } from "./requirement";
import { fileName } from "./spec";
import type { AuditState } from "./state";
import type { Tool } from "./usePointer";
import { count, deviations, percent } from "./words";
import { Legend } from "./Marks";
import { useWidth } from "./useWidth";

export function Chart({ state }: { state: AuditState }) {
  const store = useStore();
  const { audit } = state.answer.value!;
  const layer = state.layer.value;
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [tool, setTool] = useState<Tool>("box");
  const at = useMemo(() => ofLayer(audit, layer), [audit, layer]);
  const limits = { valid: state.critical("valid"), spurious: state.critical("spurious") };
  const frame = useMemo(() => frameOf(audit, at, limits, width), [audit, at, width]);
  const dots = useMemo(() => dotsOf(audit, at, frame), [audit, at, frame]);
  const most = at.length ? audit.rows[at[0]!]!.relevance : 0;
  const moved = state.moved.value;
  return (
    <section class="quadrants" aria-label="Quadrant chart">
      <h3>Every component, held against both sides</h3>
      <p class="hint">
        A mark is a component (a part of the layer that can be looked at by itself); the larger, the more relevant. Up: it fits something that must not matter.
        Right: it fits something that may. The dashed lines are what chance reaches; drag them to ask “what if”. Point at a mark to see what excites it.
      </p>
      <Legend />
      <div class="tools">
        {audit.layers.length > 1 && (
          <label>
            Layer{" "}
            <select aria-label="Layer" value={layer} onChange={(event) => store.place.set({ al: event.currentTarget.value })}>
              {audit.layers.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        )}
        <span class="choice-of" role="group" aria-label="Select by dragging">
          <span aria-hidden="true">Drag selects by</span>
          {(["box", "lasso"] as const).map((one) => (
            <button key={one} type="button" aria-pressed={tool === one} title="Shift adds to the selection, Alt takes away" onClick={() => setTool(one)}>
              {one}
            </button>
          ))}
        </span>
        {store.selection.value && (
          <button type="button" onClick={() => store.select(null)}>
            Clear the selection ({store.selection.value.length.toLocaleString("en-GB")})
          </button>
        )}
        <SaveAs what="the chart" kinds={["svg", "png"]} save={(kind) => saveDots(place.current!, state, frame, dots, `${fileName(audit.output)}-${layer}-quadrants`, kind)} />
      </div>
      <div class="place" ref={place} style={{ minHeight: `${frame.height}px` }}>
        {width > 0 && <Plot state={state} frame={frame} dots={dots} tool={tool} />}
      </div>
      <p class="thresholds" role="status">
        <span>
          Needed to fit: valid {deviations(moved.valid ?? limits.valid)}, spurious {deviations(moved.spurious ?? limits.spurious)}{" "}
          {isMoved(moved) ? `– your thresholds, the same for every component. ${wouldBe(state.counted.value!)}` : "– chance's; components with fewer examples need more."}
        </span>{" "}
        <button type="button" disabled={!isMoved(moved)} onClick={() => state.move({ valid: null, spurious: null })}>
          Back to chance
        </button>
      </p>
      <p class="hint">
        <bdi>{layer}</bdi>, {count(at.length, "component")}; the largest mark is {percent(most)} of what speaks for the output.
        {!Number.isFinite(limits.valid + limits.spurious) && " A threshold at the edge of the chart: no alignment would exceed chance surely enough."}
      </p>
    </section>
  );
}

/** What the reader's thresholds would change, and what they do not. */
function wouldBe(counted: Counted): string {
  const asked = counted.audit.verdicts.map((one) => parseRequirement(one.requirement)).filter((one) => one !== null);
  if (!asked.length) return "";
  const met = asked.filter((one) => valueOf(counted, one).met).length;
  return `By them ${met} of ${count(asked.length, "requirement")} would be met; the verdicts above hold for chance's only.`;
}
