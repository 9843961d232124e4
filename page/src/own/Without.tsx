/** The prediction with components switched off, or moved, beside the prediction as it was. */

import { useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { Await } from "../ui/Await";
import { counted, percent, rounded } from "../ui/words";
import { type Setting, respondingTo, useWithout } from "./ask";
import { type Own, ranked, softmax } from "./figures";

const SHOWN = 4;
const NAMED = 8;

export interface WithoutProps {
  index: Indexed;
  image: string;
  own: Own;
  off: readonly number[];
  toggle(rows: number[]): void;
  clear(): void;
}

export function Without({ index, image, own, off, toggle, clear }: WithoutProps) {
  const [setting, setSetting] = useState<Setting>("off");
  const found = useWithout(index, image, off, setting);
  return (
    <section class="panel without" aria-label="Without">
      <h2>Without</h2>
      <p class="soft">Switch off components, all of a label, or all that respond to a phrase, and the model predicts again.</p>
      <Phrase index={index} off={off} toggle={toggle} />
      {off.length === 0 ? (
        <p class="none">Nothing is switched off.</p>
      ) : (
        <>
          <p>
            <strong>{counted(off.length, "component")}</strong>: <bdi>{named(index, off)}</bdi>{" "}
            <button type="button" class="link" onClick={clear}>
              All on again
            </button>
          </p>
          <label>
            They are{" "}
            <select value={setting} onChange={(event) => setSetting(event.currentTarget.value as Setting)}>
              <option value="off">switched off: activation 0</option>
              <option value="strongest">moved: as on their strongest example</option>
            </select>
          </label>
          {found && (
            <Await of={found} what="Prediction">
              {({ logits }) => <Beside own={own} logits={logits} />}
            </Await>
          )}
        </>
      )}
    </section>
  );
}

/** Each label once, with how many have it. */
function named(index: Indexed, rows: readonly number[]): string {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(index.title(row), (counts.get(index.title(row)) ?? 0) + 1);
  const names = [...counts].map(([name, count]) => (count > 1 ? `${name} (${count})` : name));
  return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} others` : names.join(", ");
}

function Phrase({ index, off, toggle }: { index: Indexed; off: readonly number[]; toggle(rows: number[]): void }) {
  const store = useStore();
  const [phrase, setPhrase] = useState("");
  const [busy, setBusy] = useState(false);
  const add = async (event: Event) => {
    event.preventDefault();
    if (!phrase.trim() || busy) return;
    setBusy(true);
    const rows = await respondingTo(store, index, phrase.trim());
    setBusy(false);
    const fresh = rows.filter((row) => !off.includes(row));
    if (fresh.length) toggle(fresh);
    else store.told.value ||= `No further component responds to “${phrase.trim()}” more than chance does.`;
  };
  return (
    <form class="phrase" onSubmit={(event) => void add(event)}>
      <input type="text" aria-label="All that respond to" placeholder="All that respond to … a phrase" value={phrase} disabled={!store.session.can.search} onInput={(event) => setPhrase(event.currentTarget.value)} />
      <button type="submit" class="button" disabled={busy}>
        {busy ? "…" : "Off"}
      </button>
    </form>
  );
}

function Beside({ own, logits }: { own: Own; logits: number[] }) {
  const [before, after] = [softmax(own.logits), softmax(logits)];
  const one = logits.length === 1;
  const shown = [...new Set([...ranked(own.logits, SHOWN), ...ranked(logits, 1), own.output])];
  const [was, is] = [ranked(own.logits, 1)[0]!, ranked(logits, 1)[0]!];
  return (
    <>
      {!one && (
        <p class="own-words" role="status">
          {was === is ? (
            <>
              Still “<bdi>{own.names[is]}</bdi>”.
            </>
          ) : (
            <>
              Now “<strong><bdi>{own.names[is]}</bdi></strong>”, not “<bdi>{own.names[was]}</bdi>”.
            </>
          )}
        </p>
      )}
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Output</th>
            <th scope="col" class="number">
              before
            </th>
            <th scope="col" class="number">
              without
            </th>
            <th scope="col" class="number">
              logit
            </th>
          </tr>
        </thead>
        <tbody>
          {shown.map((at) => (
            <tr key={at}>
              <th scope="row">
                <bdi>{own.names[at]}</bdi>
              </th>
              <td class="number">{one ? rounded(own.logits[at]) : percent(before[at])}</td>
              <td class="number">{one ? rounded(logits[at]) : percent(after[at])}</td>
              <td class="number">
                {logits[at]! < own.logits[at]! ? "" : "+"}
                {rounded(logits[at]! - own.logits[at]!)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
