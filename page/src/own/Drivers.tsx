/** What moved the output in words: the components of a layer added up by their labels. */

import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { IndexInfo } from "../data/types";
import { brief, counted, percent } from "../ui/words";
import { type Own, byLabel } from "./figures";
import { rowsOf } from "./rows";

const SHOWN = 8;
const NAMED = 3;

export type LayerInfo = IndexInfo["layers"][number];

export interface DriversProps {
  index: Indexed;
  own: Own;
  layer: LayerInfo;
  layers: LayerInfo[];
  off: readonly number[];
  toggle(rows: number[]): void;
}

export function Drivers({ index, own, layer, layers, off, toggle }: DriversProps) {
  const store = useStore();
  const shares = byLabel(own.relevance, rowsOf(layer), (row) => index.label(row) ?? index.names.get(row) ?? null);
  const shown = shares.slice(0, SHOWN);
  const top = Math.max(1e-9, ...shown.map((one) => Math.abs(one.net)));
  const why = shares.filter((one) => one.label && one.net > 0).slice(0, NAMED);
  return (
    <section class="panel" aria-label="What drives it">
      <div class="section-head">
        <h2>What drives it</h2>
        <label class="soft">
          In layer{" "}
          <select aria-label="Layer" value={layer.layer} onChange={(event) => store.place.set({ of: event.currentTarget.value }, true)}>
            {layers.map((one) => (
              <option key={one.layer} value={one.layer}>
                {brief(one.layer)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {why.length > 0 && (
        <p class="own-words">
          “<bdi>{own.names[own.output]}</bdi>” because of{" "}
          {why.map((one, at) => (
            <span key={one.label}>
              {at > 0 && (at === why.length - 1 ? " and " : ", ")}
              <strong>
                <bdi>{one.label}</bdi>
              </strong>{" "}
              ({percent(one.net)})
            </span>
          ))}
          .
        </p>
      )}
      <p class="soft">Relevance of the layer’s components for this output on this picture, added up by label: parts of all there is in the layer, for it to the right, against it to the left.</p>
      <table class="bars sided">
        <tbody>
          {shown.map((one) => (
            <tr key={one.label}>
              <th scope="row">
                {one.label ? <bdi>{one.label}</bdi> : <i>without a label</i>} <small class="soft">{counted(one.rows.length, "component")}</small>
              </th>
              <td class="drawn-in">
                <span class="bar two">
                  <span class={one.net < 0 ? "against" : "for"} style={{ width: `${(50 * Math.abs(one.net)) / top}%` }} />
                </span>
              </td>
              <td class="value">{one.net < 0 ? `−${percent(-one.net)}` : percent(one.net)}</td>
              <td>
                <Off rows={one.rows} of={one.label || "those without a label"} off={off} toggle={toggle} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Switches components off, or on again. */
export function Off({ rows, of, off, toggle }: { rows: number[]; of: string; off: readonly number[]; toggle(rows: number[]): void }) {
  const all = rows.every((row) => off.includes(row));
  return (
    <button type="button" class="button small" aria-pressed={all} aria-label={`Without ${of}`} title={all ? "Switch it on again" : "What is predicted without it?"} onClick={() => toggle(rows)}>
      without
    </button>
  );
}
