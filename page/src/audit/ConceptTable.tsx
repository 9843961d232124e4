/** Every concept of the spec with the relevance of the components that fit it best of its side. */

import { useStore } from "../data/store";
import type { ConceptMass } from "../data/types";
import { Bars, Key } from "./Marks";
import type { AuditState } from "./state";
import { percent } from "./words";

/** A concept as the URL names it. */
export const conceptKey = (side: string, concept: string) => `${side}:${concept}`;

export function ConceptTable({ state }: { state: AuditState }) {
  const counted = state.counted.value!;
  const { place } = useStore();
  const chosen = place.route.value.params.get("ac");
  const found = counted.concepts.filter((one) => one.components);
  const absent = counted.concepts.filter((one) => !one.components);
  const top = found.reduce((most, one) => Math.max(most, one.relevance, one.against), 0);
  const several = counted.audit.layers.length > 1;
  return (
    <section class="concepts" aria-label="Concepts">
      <h3>Concepts</h3>
      <p class="hint">
        For: the part of what speaks for “<bdi>{counted.audit.output}</bdi>” that goes through the components that fit a concept best of its side. Against: what
        the same components speak against it, in the same unit. A component that fits both sides counts on both. Choose a concept to see only its components below.
      </p>
      {found.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Table of concepts">
          <table>
            <thead>
              <tr>
                <th scope="col">concept</th>
                <th scope="col">side</th>
                {several && <th scope="col">layer</th>}
                <th scope="col" class="n">
                  components
                </th>
                <th scope="col" class="n">
                  for
                </th>
                <th scope="col" class="n">
                  against
                </th>
                <td />
              </tr>
            </thead>
            <tbody>
              {found.map((one) => (
                <Line key={JSON.stringify([one.layer, one.side, one.concept])} one={one} top={top} several={several} chosen={chosen} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {absent.length > 0 && (
        <p class="hint">
          Fitted by no component:{" "}
          {absent.map((one, at) => (
            <span key={at}>
              {at > 0 && "; "}
              <bdi>{one.concept}</bdi> ({one.side}
              {several && `, ${one.layer}`})
            </span>
          ))}
          .
        </p>
      )}
    </section>
  );
}

function Line({ one, top, several, chosen }: { one: ConceptMass; top: number; several: boolean; chosen: string | null }) {
  const { place } = useStore();
  const key = conceptKey(one.side, one.concept);
  return (
    <tr class={key === chosen ? "chosen" : undefined}>
      <th scope="row">
        <button type="button" class="link" aria-pressed={key === chosen} onClick={() => place.set({ ac: key === chosen ? null : key, list: one.side === "valid" ? "right" : null })}>
          <bdi>{one.concept}</bdi>
        </button>
      </th>
      <td>
        <Key of={one.side} /> {one.side}
      </td>
      {several && (
        <td>
          <bdi>{one.layer}</bdi>
        </td>
      )}
      <td class="n">{one.components.toLocaleString("en-GB")}</td>
      <td class="n">{percent(one.relevance)}</td>
      <td class="n">{percent(one.against)}</td>
      <td class="drawn-in">
        <Bars relevance={one.relevance} against={one.against} top={top} kind={one.side} />
      </td>
    </tr>
  );
}
