/** The images that excite the component most: of two meanings, in two groups. */

import { useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { type Loaded, valueOf } from "../data/load";
import { type Store, useStore } from "../data/store";
import type { Component, Example, Heat } from "../data/types";
import { Waiting } from "../ui/Await";
import { useKeys } from "../ui/keys";
import { Picture } from "../ui/picture";
import { counted, short } from "../ui/words";
import { Enlarged } from "./Enlarged";
import { MODES, type Mode, NAMES, modeOf, pictureOf, possible, show } from "./shown";
import { useHeat } from "./useComponent";

export function Examples({ index, found }: { index: Indexed; found: Component }) {
  const store = useStore();
  const [large, setLarge] = useState<number | null>(null);
  const mode = modeOf(store);
  const heat = useHeat(index, found.row, mode === "heat" && index.info.heat);
  const heated = valueOf(heat)?.slots ?? null;
  useKeys({ h: () => show(store, MODES[(MODES.indexOf(mode) + 1) % MODES.length]!) });
  return (
    <section class="examples" aria-label="Examples">
      <div class="section-head">
        <h2>What excites it most</h2>
        <Modes store={store} mode={mode} />
      </div>
      <Says index={index} mode={mode} heat={heat} />
      {groups(found).map((group) => (
        <Group key={group.title} index={index} found={found} group={group} mode={mode} heated={heated} enlarge={setLarge} />
      ))}
      {large !== null && <Enlarged index={index} found={found} slot={large} heated={heated} go={setLarge} close={() => setLarge(null)} />}
    </section>
  );
}

function Modes({ store, mode }: { store: Store; mode: Mode }) {
  return (
    <div class="buttons" role="group" aria-label="What is shown of each image (h)">
      {MODES.map((one) => (
        <button key={one} type="button" class="button" aria-pressed={one === mode} title="Press h for the next" onClick={() => show(store, one)}>
          {NAMES[one]}
        </button>
      ))}
    </div>
  );
}

/** What the pictures are, or what it takes to see them. */
function Says({ index, mode, heat }: { index: Indexed; mode: Mode; heat: Loaded<Heat> }) {
  if (!possible(index, mode))
    return (
      <p class="soft says">
        {mode === "whole" ? "Whole images are" : "Heat maps need the model and the images, which are"} not at hand; here are the crops. To see them, start the server with{" "}
        <code>semlens serve INDEX --images FOLDER --model MODEL</code>.
      </p>
    );
  if (mode === "heat" && heat.state === "loading") return <Waiting what="Heat maps" job={heat.job} />;
  if (mode === "heat" && heat.state === "absent") return <p class="soft says">{heat.why}</p>;
  const says = {
    crop: "The parts of images that make it fire most, the strongest first. The number is its activation. Press one to enlarge it.",
    whole: "The whole images; the frame is the part that was cut out.",
    heat: "Where in the image the activation comes from: the stronger the colour, the more of it.",
  };
  return <p class="soft says">{says[mode]}</p>;
}

interface Examples {
  title: string;
  slots: number[];
  meaning: boolean;
}

function groups(found: Component): Examples[] {
  const all = found.examples.map((_, slot) => slot);
  const meanings = found.label?.meanings ?? [];
  if (meanings.length < 2) return [{ title: "", slots: all, meaning: false }];
  const used = new Set(meanings.flatMap((one) => one.examples));
  const rest = all.filter((slot) => !used.has(slot));
  const named = meanings.map((one, at) => ({ title: `${at + 1}. ${one.label}`, slots: one.examples, meaning: true }));
  return rest.length ? [...named, { title: "in neither group", slots: rest, meaning: false }] : named;
}

interface GroupProps {
  index: Indexed;
  found: Component;
  group: Examples;
  mode: Mode;
  heated: number[] | null;
  enlarge(slot: number): void;
}

function Group({ index, found, group, mode, heated, enlarge }: GroupProps) {
  return (
    <div class="group">
      {group.title && (
        <h3>
          {group.meaning && <span class="soft">Meaning </span>}
          <bdi>{group.title}</bdi> <small class="soft">{counted(group.slots.length, "example")}</small>
        </h3>
      )}
      <ul class="example-list" role="list">
        {group.slots.map((slot) => {
          const example = found.examples[slot];
          return (
            example && (
              <li key={slot}>
                <button type="button" class="example" aria-label={`Enlarge example ${slot + 1}: ${describe(example)}`} title={example.name} onClick={() => enlarge(slot)}>
                  <Picture path={pictureOf(index, found.row, slot, example.crop, mode, heated)} alt="" />
                  <span class="example-words">
                    <span class="value">{short(example.activation)}</span>
                    {example.label && <bdi class="soft">{example.label}</bdi>}
                  </span>
                </button>
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}

function describe({ name, label, activation }: Example): string {
  return [name, label, `activation ${short(activation)}`].filter(Boolean).join(", ");
}
