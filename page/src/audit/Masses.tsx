/** Where the relevance goes: every layer's by quadrant, as one bar and in words. */

import type { Mass } from "../data/types";
import { Interval, Key, Stacked } from "./Marks";
import { type Share, isMoved } from "./recount";
import type { AuditState } from "./state";
import { NAMES, between, count, percent } from "./words";

export function Masses({ state }: { state: AuditState }) {
  const counted = state.counted.value!;
  const { audit, shares } = counted;
  const moved = isMoved(counted.moved);
  return (
    <section class="masses" aria-label="Where the relevance goes">
      <h3>Where the relevance goes</h3>
      <p class="hint">
        Of all that speaks for “<bdi>{audit.output}</bdi>” in a layer: how much goes through components that fit which concepts
        {audit.by === "encoding" && " (divided between the sides by what each component responds to; beside it what lies in components that fit neither)"}
        {moved ? ", by your thresholds (so without intervals)." : ", with the 95 % interval."}
      </p>
      {audit.layers.map((layer) => {
        const mine = shares.filter((one) => one.layer === layer);
        return (
          <div key={layer} class="layer">
            <h4>
              <code>
                <bdi>{layer}</bdi>
              </code>
            </h4>
            <Stacked shares={audit.by === "encoding" ? mine.filter((one) => one.quadrant !== "neither") : mine} />
            <table>
              <tbody>
                {mine.map((share) => (
                  <Line key={share.quadrant} share={share} mass={moved ? undefined : audit.masses.find((one) => one.layer === layer && one.quadrant === share.quadrant)} />
                ))}
              </tbody>
            </table>
          </div>
        );
      })}
    </section>
  );
}

function Line({ share, mass }: { share: Share; mass: Mass | undefined }) {
  const value = mass ? mass.relevance : share.relevance;
  const [low, high] = mass ? [mass.low, mass.high] : [null, null];
  const words = mass ? `${percent(value)}, from ${between(low, high)}` : percent(value);
  return (
    <tr>
      <th scope="row">
        <Key of={share.quadrant} /> fits {NAMES[share.quadrant]}
      </th>
      <td class="n components">{count(share.components, "component")}</td>
      <td class="n">{percent(value)}</td>
      <td class="n">{mass ? between(low, high) : ""}</td>
      <td class="drawn-in">
        <Interval value={value} low={low ?? value} high={high ?? value} top={1} kind={share.quadrant} words={words} />
      </td>
    </tr>
  );
}
