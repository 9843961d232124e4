/** What is required, a line each as the file has it, with what it means beneath; and a builder for those who do not
 *  know the lines. */

import { useState } from "preact/hooks";
import type { Quadrant } from "../data/types";
import { type Requirement, inWords, parseRequirement } from "./requirement";
import type { AuditState } from "./state";
import { NAMES, QUADRANTS } from "./words";
import { Key } from "./Marks";

/** The first line that is no requirement; -1 if all are. */
export function firstUnread(lines: string[]): number {
  return lines.findIndex((line) => line.trim() && !parseRequirement(line));
}

export function RequirementField({ state }: { state: AuditState }) {
  const draft = state.draft.value!;
  const lines = draft.requirements;
  const unread = firstUnread(lines);
  const put = (requirements: string[]) => state.edit({ requirements });
  return (
    <fieldset class="requirements">
      <legend>Requirements</legend>
      <p class="hint">Each is met or not met. Relevance: how much of what speaks for the class goes through a component.</p>
      <ul>
        {lines.map((line, at) => {
          const asked = parseRequirement(line);
          return (
            <li key={at}>
              <textarea class="code" rows={line.length > 34 ? 2 : 1} spellcheck={false} aria-label={`Requirement ${at + 1}`} aria-invalid={at === unread ? true : undefined} value={line} onInput={(event) => put(lines.map((one, n) => (n === at ? event.currentTarget.value.replace(/\n/g, " ") : one)))} />
              <button type="button" aria-label={`Remove requirement ${at + 1}`} title="Remove" onClick={() => put(lines.filter((_, n) => n !== at))}>
                ×
              </button>
              {asked && <p class="hint">{inWords(asked, String(draft.output))}.</p>}
              {at === unread && state.fault.value && <p class="fault">{state.fault.value}</p>}
            </li>
          );
        })}
      </ul>
      <Builder output={String(draft.output)} add={(line) => put([...lines, line])} />
    </fieldset>
  );
}

const FIGURES: Record<Requirement["figure"], string> = {
  relevance_mass: "share of relevance",
  net_relevance: "net relevance, for less against",
  drivers: "share in what drives the output",
  components: "number of components",
  worst: "any one offender's relevance",
};

function Builder({ output, add }: { output: string; add: (line: string) => void }) {
  const [figure, setFigure] = useState<Requirement["figure"]>("relevance_mass");
  const [quadrants, setQuadrants] = useState<Quadrant[]>(["spurious"]);
  const [operator, setOperator] = useState<"<=" | ">=">("<=");
  const [limit, setLimit] = useState("10");
  const sides = figure === "net_relevance" || figure === "drivers" ? QUADRANTS.slice(0, 2) : QUADRANTS;
  const chosen = quadrants.filter((name) => sides.includes(name));
  const share = figure !== "components";
  const number = share ? `${Number(limit)}%` : String(Math.round(Number(limit)));
  const line = figure === "worst" ? `no component with spurious > valid above relevance ${number}` : `${figure}(${chosen.join(" + ")}) ${operator} ${number}`;
  const asked = limit.trim() ? parseRequirement(line) : null;
  const toggle = (name: Quadrant) => setQuadrants(QUADRANTS.filter((one) => (one === name) !== quadrants.includes(one)));
  return (
    <details class="builder">
      <summary>Add a requirement</summary>
      <div class="row">
        <select aria-label="What is limited" value={figure} onChange={(event) => setFigure(event.currentTarget.value as Requirement["figure"])}>
          {Object.entries(FIGURES).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
        {figure === "worst" ? (
          <span>at most</span>
        ) : (
          <select aria-label="Bound" value={operator} onChange={(event) => setOperator(event.currentTarget.value as "<=" | ">=")}>
            <option value="<=">at most</option>
            <option value=">=">at least</option>
          </select>
        )}
        <label class="limit">
          <input type="number" aria-label="Limit" min="0" max={share ? 100 : undefined} step={share ? "any" : 1} value={limit} onInput={(event) => setLimit(event.currentTarget.value)} />
          {share && " %"}
        </label>
      </div>
      {figure !== "worst" && (
        <div class="row" role="group" aria-label="Of components that fit">
          {sides.map((name) => (
            <label key={name}>
              <input type="checkbox" checked={quadrants.includes(name)} onChange={() => toggle(name)} /> <Key of={name} /> {NAMES[name]}
            </label>
          ))}
        </div>
      )}
      <p class="hint">{asked ? `${inWords(asked, output)}.` : "Choose at least one kind of component and a limit."}</p>
      <button type="button" disabled={!asked} onClick={() => add(line)}>
        Add
      </button>
    </details>
  );
}
