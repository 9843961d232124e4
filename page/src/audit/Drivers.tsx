/** What drives the output itself, by its own encoding: concept by concept, before any component. */

import type { Audit } from "../data/types";
import { Effect, Key } from "./Marks";

const SHOWN = 12;
const signed = (value: number) => `${value > 0 ? "+" : ""}${value.toFixed(2)}`.replace("-", "\u2212");

export function Drivers({ audit }: { audit: Audit }) {
  const rows = audit.drivers.slice(0, SHOWN);
  if (!rows.length) return null;
  const top = Math.max(...rows.map((row) => Math.max(Math.abs(row.low), Math.abs(row.high)))) || 1;
  const sides = new Map(audit.concepts.map((one) => [one.concept, one.side]));
  return (
    <section class="masses drivers" aria-label="What drives the output">
      <h3>What drives the output</h3>
      <p class="hint">
        The output itself (<bdi>{rows[0]!.output}</bdi>) over all images, before any component: what each concept adds, all others equal, in standard
        deviations, with the 95 % interval. To the right: for the output.
      </p>
      <table>
        <tbody>
          {rows.map((row) => (
            <tr key={row.phrase}>
              <th scope="row">
                <Key of={sides.get(row.phrase) ?? "neither"} /> <bdi>{row.phrase}</bdi>
                {row.alike.length > 0 && (
                  <span class="hint">
                    {" "}
                    hardly told apart from <bdi>{row.alike.join(", ")}</bdi>
                  </span>
                )}
              </th>
              <td class="n">{signed(row.effect)}</td>
              <td class="n">
                {signed(row.low)} to {signed(row.high)}
              </td>
              <td class="drawn-in">
                <Effect value={row.effect} low={row.low} high={row.high} top={top} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
