/** Audits that a folder of files holds ready, where nothing new can be asked. */

import { useEffect } from "preact/hooks";
import { useStore } from "../data/store";
import type { StoredAudit } from "./files";
import { draftOf } from "./spec";
import type { AuditState } from "./state";
import { Result } from "./Result";

export function Stored({ state, audits }: { state: AuditState; audits: StoredAudit[] }) {
  const { place } = useStore();
  const asked = place.route.value.params.get("audit");
  const chosen = audits.find((one) => one.name === asked) ?? audits[0];
  useEffect(() => {
    if (chosen) state.answer.value = { audit: chosen.audit, draft: draftOf(chosen.spec), key: "" };
  }, [chosen]);
  if (!chosen) return <p class="none">No audit was put into this copy of the page, and a new one takes the server: `semlens serve`.</p>;
  return (
    <>
      <p class="hint">This copy of the page holds audits that were made before. New ones take the server.</p>
      <div class="lists" role="group" aria-label="Audit">
        {audits.map((one) => (
          <button key={one.name} type="button" aria-pressed={one === chosen} onClick={() => place.set({ audit: one.name, tv: null, ts: null, al: null, ac: null, pin: null })}>
            <bdi>{one.spec.title || one.name}</bdi>
          </button>
        ))}
      </div>
      <Result state={state} />
    </>
  );
}
