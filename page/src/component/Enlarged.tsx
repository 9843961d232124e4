/** One example, large; the arrows lead to the others. */

import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Component } from "../data/types";
import { Dialog } from "../ui/Dialog";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/picture";
import { short } from "../ui/words";
import { MODES, NAMES, modeOf, pictureOf, possible, show } from "./shown";

export interface EnlargedProps {
  index: Indexed;
  found: Component;
  slot: number;
  heated: number[] | null;
  go(slot: number): void;
  close(): void;
}

export function Enlarged({ index, found, slot, heated, go, close }: EnlargedProps) {
  const store = useStore();
  const mode = modeOf(store);
  const example = found.examples[slot]!;
  const count = found.examples.length;
  const step = (by: number) => go((slot + by + count) % count);
  const pressed = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) step(by);
    else if (event.key === "h") show(store, MODES[(MODES.indexOf(mode) + 1) % MODES.length]!);
  };
  return (
    <Dialog title={`Example ${slot + 1} of ${count}`} class="enlarged" close={close} onKeyDown={pressed}>
      <div class="enlarged-picture">
        <button type="button" class="bare-button" aria-label="Previous example" title="Previous example (←)" onClick={() => step(-1)}>
          <Icon name="left" />
        </button>
        <Picture key={`${slot} ${mode}`} path={pictureOf(index, found.row, slot, example.crop, mode, heated)} alt={`${NAMES[mode]} of ${example.name}`} />
        <button type="button" class="bare-button" aria-label="Next example" title="Next example (→)" onClick={() => step(1)}>
          <Icon name="right" />
        </button>
      </div>
      <div class="buttons" role="group" aria-label="What is shown">
        {MODES.filter((one) => possible(index, one)).map((one) => (
          <button key={one} type="button" class="button" aria-pressed={one === mode} onClick={() => show(store, one)}>
            {NAMES[one]}
          </button>
        ))}
      </div>
      <dl class="facts">
        <dt>Image</dt>
        <dd>
          <bdi>{example.name}</bdi> <span class="soft">(id {example.image})</span>
        </dd>
        {example.label && (
          <>
            <dt>Its label</dt>
            <dd>
              <bdi>{example.label}</bdi>
            </dd>
          </>
        )}
        <dt>Activation</dt>
        <dd>{short(example.activation)}</dd>
        <dt>Cut out</dt>
        <dd>{example.whole ? "all of the image" : `${example.box[2] - example.box[0]} × ${example.box[3] - example.box[1]} pixels, from ${example.box[0]}, ${example.box[1]}`}</dd>
      </dl>
    </Dialog>
  );
}
