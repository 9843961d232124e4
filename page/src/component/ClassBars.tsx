/** What the component contributes to the model's outputs: for to the right, against to the left. */

import { useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Component } from "../data/types";
import { about } from "../ui/links";
import { counted, percent } from "../ui/words";

const SHOWN = 6;

export function ClassBars({ index, relevance }: { index: Indexed; relevance: Component["relevance"] }) {
  const store = useStore();
  const [all, setAll] = useState(false);
  const shown = all ? relevance : relevance.slice(0, SHOWN);
  const top = Math.max(1e-9, ...relevance.map((one) => Math.max(one.positive, one.negative)));
  const here = about(store, index);
  return (
    <section class="panel" aria-label="Relevance for classes">
      <h2>Relevance for classes</h2>
      {relevance.length === 0 ? (
        <p class="absent">
          No relevance was computed for this index: build it with <code>--classes</code> to see which outputs each component moves.
        </p>
      ) : (
        <>
          <p class="soft">How much of all relevance in its layer passes through it: for the class to the right, against it to the left.</p>
          <table class="bars sided">
            <thead>
              <tr>
                <th scope="col">Class</th>
                <th scope="col">against | for</th>
                <th scope="col">net</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => (
                <tr key={one.number}>
                  <th scope="row">
                    <a href={store.place.href(["audit"], { ...here, class: one.number })} title="Audit this class">
                      <bdi>{one.class}</bdi>
                    </a>{" "}
                    <a class="aside" href={store.place.href(["graph"], { ...here, class: one.number })} aria-label={`Graph of ${one.class}`} title="How this class comes about">
                      graph
                    </a>
                  </th>
                  <td title={`for ${percent(one.positive)}, against ${percent(one.negative)}; among the ${index.info.relevance?.top ?? ""} most relevant of its layer on ${percent(one.frequency)} of the class’s images`}>
                    <span class="bar two">
                      <span class="against" style={{ width: `${(50 * one.negative) / top}%` }} />
                      <span class="for" style={{ width: `${(50 * one.positive) / top}%` }} />
                    </span>
                  </td>
                  <td class="value">{signed(one.positive - one.negative)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {relevance.length > SHOWN && (
            <button type="button" class="link" onClick={() => setAll(!all)}>
              {all ? "Show fewer" : `Show all ${counted(relevance.length, "class", "classes")}`}
            </button>
          )}
        </>
      )}
    </section>
  );
}

function signed(share: number): string {
  return share < 0 ? `−${percent(-share)}` : percent(share);
}
