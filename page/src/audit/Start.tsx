/** Where an audit begins: a spec that comes with semlens, one that was saved, a YAML file, or an empty one. */

import { useRef, useState } from "preact/hooks";
import { useStore } from "../data/store";
import type { IndexInfo, Spec, Specs } from "../data/types";
import { Await } from "../ui/Await";
import { keepSpec, readSpec, specsOf } from "./files";
import { draftOf, emptyDraft, specOf } from "./spec";
import type { AuditState } from "./state";
import { count } from "./words";

export function Start({ state }: { state: AuditState }) {
  const store = useStore();
  const { index } = state;
  const classes = index.info.classes;
  const first = classes.find((one) => one.number === store.of.value) ?? classes[0]!;
  return (
    <section class="start">
      <h2>Start from a spec</h2>
      <p>
        A spec lists concepts that may speak for a class (<em>valid</em>) and concepts that must not (<em>spurious</em>). The audit then says how much of what
        speaks for the class goes through either.
      </p>
      {/* Above the list, which arrives later: a button that moves away under the pointer is not pressed. */}
      <p class="actions">
        <button type="button" class="main" onClick={() => state.begin(emptyDraft(first.name))}>
          Write a new one
        </button>
        <OpenFile state={state} />
      </p>
      <Await of={specsOf(store.transport, index).value} what="specs">
        {({ shipped, saved, last }) => (
          <ul class="choices">
            {last && ![...saved, ...shipped].some(({ spec }) => same(spec, last.spec)) && <Choice name={last.spec.title || `Audit of “${last.output}”`} spec={last.spec} kind={`the last audit: ${last.verdict}`} state={state} />}
            {saved.map(({ name, spec }) => (
              <Choice key={`saved ${name}`} name={name} spec={spec} kind="saved" last={last} state={state} />
            ))}
            {presentFirst(shipped, classes).map(({ name, spec }) => (
              <Choice key={name} name={name} spec={spec} kind="comes with semlens" last={last} state={state} />
            ))}
          </ul>
        )}
      </Await>
    </section>
  );
}

/** Specs for classes that the index has relevance for before the others. */
function presentFirst(specs: Specs["shipped"], classes: IndexInfo["classes"]): Specs["shipped"] {
  const there = ({ spec }: { spec: Spec }) => classes.some((one) => one.name === spec.output || one.number === spec.output);
  return [...specs.filter(there), ...specs.filter((one) => !there(one))];
}

interface ChoiceProps {
  name: string;
  spec: Spec;
  kind: string; // "saved", or where else it comes from
  last?: Specs["last"];
  state: AuditState;
}

function same(one: Spec, other: Spec): boolean {
  return JSON.stringify(specOf(draftOf(one))) === JSON.stringify(specOf(draftOf(other)));
}

function Choice({ name, spec, kind, last, state }: ChoiceProps) {
  const store = useStore();
  const there = state.index.info.classes.some((one) => one.name === spec.output || one.number === spec.output);
  const remove = () => keepSpec(store.transport, state.index, name, null).catch((fault: Error) => (store.told.value = fault.message));
  return (
    <li>
      <button type="button" class="choice" onClick={() => state.begin(draftOf(spec))}>
        <strong>
          <bdi>{spec.title || name}</bdi>
        </strong>
        <span class="hint">
          {count(spec.valid.length, "valid concept")}, {spec.spurious.length} spurious, {count(spec.requirements?.length ?? 0, "requirement")}
        </span>
        <span class="hint">
          {there ? "for " : "written for "}
          <bdi>“{String(spec.output)}”</bdi>
          {!there && ", a class that this index has no relevance for: choose another then"} · {kind === "saved" && spec.title ? `saved as ${name}` : kind}
          {last && same(spec, last.spec) && ` · the last audit: ${last.verdict}`}
        </span>
      </button>
      {kind === "saved" && (
        <button type="button" class="remove" aria-label={`Remove the saved spec ${name}`} title="Remove" onClick={() => void remove()}>
          ×
        </button>
      )}
    </li>
  );
}

/** A button that opens a YAML file. */
export function OpenFile({ state }: { state: AuditState }) {
  const store = useStore();
  const field = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState("");
  const open = async (file: File | undefined) => {
    if (!file) return;
    try {
      state.begin(await readSpec(store.transport, file));
      setFault("");
    } catch (problem) {
      setFault(problem instanceof Error ? problem.message : String(problem));
    }
    field.current!.value = "";
  };
  return (
    <>
      <button type="button" onClick={() => field.current!.click()}>
        Open a YAML file
      </button>
      <input ref={field} type="file" accept=".yaml,.yml" class="file" tabIndex={-1} aria-label="Spec as a YAML file" onChange={(event) => void open(event.currentTarget.files?.[0])} />
      {fault && <span class="fault">{fault}</span>}
    </>
  );
}
