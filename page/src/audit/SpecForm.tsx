/** The spec as a form. Every change is asked at once. */

import { useState } from "preact/hooks";
import { useStore } from "../data/store";
import { ConceptField } from "./ConceptField";
import { OpenFile } from "./Start";
import { RequirementField } from "./RequirementField";
import { keepSpec } from "./files";
import { fileName, specOf } from "./spec";
import type { AuditState } from "./state";

export function SpecForm({ state }: { state: AuditState }) {
  const draft = state.draft.value!;
  return (
    <form class="spec" aria-label="Spec" onSubmit={(event) => event.preventDefault()}>
      <div class="actions">
        <button type="button" onClick={() => state.begin(null)}>
          Other spec
        </button>
        <OpenFile state={state} />
      </div>
      <label class="entry">
        Title
        <input type="text" value={draft.title} placeholder="Audit" onInput={(event) => state.edit({ title: event.currentTarget.value })} />
      </label>
      <ClassField state={state} />
      <ConceptField state={state} side="valid" />
      <ConceptField state={state} side="spurious" />
      <RequirementField state={state} />
      <LayerField state={state} />
      <More state={state} />
      <Keep state={state} />
    </form>
  );
}

function ClassField({ state }: { state: AuditState }) {
  const { classes } = state.index.info;
  const { output } = state.draft.value!;
  const at = classes.findIndex((one) => one.name === output || one.number === output);
  const name = (number: number) => {
    const one = classes[number]!;
    return classes.filter((other) => other.name === one.name).length > 1 ? one.number : one.name; // a name that stands twice says too little
  };
  return (
    <label class="entry">
      Class: the output of the model that is audited
      <select value={at} onChange={(event) => state.edit({ output: name(Number(event.currentTarget.value)) })}>
        {at < 0 && (
          <option value={-1} disabled>
            {output === "" ? "choose a class" : `${output} – not in this index`}
          </option>
        )}
        {classes.map((one, number) => (
          <option key={one.number} value={number}>
            {one.name} ({one.images.toLocaleString("en-GB")} images)
          </option>
        ))}
      </select>
    </label>
  );
}

function LayerField({ state }: { state: AuditState }) {
  const chosen = state.draft.value!.layers;
  const layers = state.index.info.layers.filter((one) => !one.outputs);
  const unknown = chosen.filter((name) => !layers.some(({ layer }) => layer === name));
  const toggle = (name: string) => {
    const next = [...layers.map(({ layer }) => layer), ...unknown].filter((layer) => (layer === name) !== chosen.includes(layer));
    state.edit({ layers: next });
  };
  return (
    <fieldset class="layers">
      <legend>Layers</legend>
      <p class="hint">{chosen.length ? "Those chosen; each is audited by itself." : `None chosen: the last before the outputs, ${layers.at(-1)?.layer ?? ""}.`}</p>
      <div class="row">
        {[...layers.map(({ layer }) => layer), ...unknown].map((layer) => (
          <label key={layer}>
            <input type="checkbox" checked={chosen.includes(layer)} onChange={() => toggle(layer)} /> <bdi>{layer}</bdi>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function More({ state }: { state: AuditState }) {
  const draft = state.draft.value!;
  return (
    <details class="more-fields">
      <summary>False discoveries, templates, notes</summary>
      <label class="entry">
        False-discovery rate: of the components said to fit a side, how many may do so by chance, in %
        <input type="number" min="0.1" max="99" step="any" value={Number((draft.fdr * 100).toPrecision(6))} onChange={(event) => Number(event.currentTarget.value) > 0 && state.edit({ fdr: Number(event.currentTarget.value) / 100 })} />
      </label>
      <label class="entry">
        Templates, one per line: what a phrase is put into, at {"{}"}
        <textarea rows={Math.max(2, draft.templates.length)} value={draft.templates.join("\n")} spellcheck={false} onInput={(event) => state.edit({ templates: event.currentTarget.value.split("\n") })} />
      </label>
      <label class="entry">
        Notes: why these concepts; printed in the report
        <textarea rows={4} value={draft.notes} onInput={(event) => state.edit({ notes: event.currentTarget.value })} />
      </label>
    </details>
  );
}

/** Keeps the spec on the server under a name. */
function Keep({ state }: { state: AuditState }) {
  const store = useStore();
  const [name, setName] = useState("");
  const [fault, setFault] = useState("");
  if (!store.session.can.annotate) return null;
  const keep = async () => {
    const given = name.trim() || fileName(state.draft.peek()!.title);
    try {
      await keepSpec(store.transport, state.index, given, specOf(state.draft.peek()!));
      store.told.value = `Saved as “${given}”`;
      setFault("");
    } catch (problem) {
      setFault(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return (
    <div class="keep">
      <input type="text" aria-label="Name to save the spec under" placeholder={fileName(state.draft.value!.title)} value={name} onInput={(event) => setName(event.currentTarget.value)} onKeyDown={(event) => event.key === "Enter" && void keep()} />
      <button type="button" onClick={() => void keep()}>
        Save the spec
      </button>
      {fault && <p class="fault">{fault}</p>}
    </div>
  );
}
