/** What is compared: two indexes, all or one layer of each, or two layers of one index. */

import { useStore } from "../data/store";
import type { Indexed } from "../data/indexed";
import { brief } from "../ui/words";

export interface SidesProps {
  a: string; // layer; empty: all of them
  b: string;
}

export function Sides({ a, b }: SidesProps) {
  const store = useStore();
  const two = store.indexes.length > 1;
  const [first, second] = two ? store.indexes : [store.indexes[0], store.indexes[0]];
  return (
    <div class="tools sides">
      <Side letter="a" index={first!} layer={a} without={two ? "" : b} all={two} />
      {!two && (
        <button type="button" class="button" aria-label="Swap the two sides" title="Swap the two sides" onClick={() => store.place.set({ a: b, b: a })}>
          ⇄
        </button>
      )}
      <Side letter="b" index={second!} layer={b} without={two ? "" : a} all={two} />
    </div>
  );
}

function Side({ letter, index, layer, without, all }: { letter: "a" | "b"; index: Indexed; layer: string; without: string; all: boolean }) {
  const { place } = useStore();
  return (
    <label class={`side ${letter}`}>
      <span class="letter">{letter.toUpperCase()}</span>
      {all && (
        <b>
          <bdi>{index.info.name}</bdi>
        </b>
      )}
      <select aria-label={`Layer of side ${letter.toUpperCase()}`} value={layer} onChange={(event) => place.set({ [letter]: event.currentTarget.value })}>
        {all && <option value="">all layers</option>}
        {index.info.layers.map((one) => (
          <option key={one.layer} value={one.layer} disabled={one.layer === without}>
            {brief(one.layer)}
          </option>
        ))}
      </select>
    </label>
  );
}
