/** Does the model rely on what it should? A spec on the left, what it finds on the right. */

import { useEffect, useState } from "preact/hooks";
import { Result } from "../audit/Result";
import { SpecForm } from "../audit/SpecForm";
import { Start } from "../audit/Start";
import { Stored } from "../audit/Stored";
import { type StoredAudit, auditsOf } from "../audit/files";
import { missing } from "../audit/spec";
import { type AuditState, auditOf } from "../audit/state";
import type { Loaded } from "../data/load";
import { valueOf } from "../data/load";
import { useStore } from "../data/store";

export function AuditView() {
  const store = useStore();
  const state = auditOf(store, store.index.value);
  return (
    <div class="audit" key={state.index.number}>
      <h1>Does the model rely on what it should?</h1>
      <Body state={state} />
    </div>
  );
}

function Body({ state }: { state: AuditState }) {
  const store = useStore();
  useEffect(() => state.enter(), [state]);
  if (!state.index.info.classes.length)
    return (
      <p class="none">
        This index has no relevance: nobody noted how much each component moves an output. Build it with the classes to be audited (
        <code>semlens build … --classes NAMES</code>), and they can be audited here.
      </p>
    );
  if (!store.session.can.audit) return <Beforehand state={state} />;
  if (!state.draft.value) return <Start state={state} />;
  return (
    <div class="desk">
      <Spec state={state} />
      <Result state={state} />
    </div>
  );
}

/** The spec; on a narrow page it can be folded away. */
function Spec({ state }: { state: AuditState }) {
  const [open, setOpen] = useState(() => matchMedia("(min-width: 1020px)").matches || missing(state.draft.peek()!) !== "");
  return (
    <section class={`spec-panel ${open ? "" : "folded"}`} aria-label="Spec">
      <h2>
        <button type="button" class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          The spec
        </button>
      </h2>
      {open && <SpecForm state={state} />}
    </section>
  );
}

function Beforehand({ state }: { state: AuditState }) {
  const store = useStore();
  const found: Loaded<StoredAudit[]> = auditsOf(store.transport, state.index).value;
  if (found.state === "loading") return <p class="none">Looking for audits …</p>;
  return <Stored state={state} audits={valueOf(found) ?? []} />;
}
