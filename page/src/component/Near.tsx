/** The components that encode nearly the same: in this index, and in the other one. */

import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Component } from "../data/types";
import { Card } from "../ui/Card";
import { rounded } from "../ui/words";

const SHOWN = 12;

export function Near({ index, found }: { index: Indexed; found: Component }) {
  const { indexes } = useStore();
  const other = indexes.find((one) => one !== index);
  return (
    <>
      <Row title="Most similar components" says="Nearest in the semantic space, in any layer." index={index} near={found.neighbours} />
      {other && found.elsewhere.length > 0 && (
        <Row title={`In the other index, ${other.info.name}`} says="What encodes nearly the same there." index={other} near={found.elsewhere} />
      )}
    </>
  );
}

function Row({ title, says, index, near }: { title: string; says: string; index: Indexed; near: Component["neighbours"] }) {
  return (
    <section class="near" aria-label={title}>
      <h2>{title}</h2>
      <p class="soft says">{near.length ? says : "There is none."}</p>
      <ul class="near-list" role="list">
        {near.slice(0, SHOWN).map(({ row, similarity }) => (
          <li key={row}>
            <Card index={index} row={row} crops={index.info.k < 3 ? 2 : 4}>
              <small class="soft" title="cosine similarity of the two">
                similarity {rounded(similarity)}
              </small>
            </Card>
          </li>
        ))}
      </ul>
    </section>
  );
}
