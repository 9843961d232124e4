/** The requirements, each with its value on a scale that marks the limit. */

import type { Verdict } from "../data/types";
import { Interval, type Kind, Sign } from "./Marks";
import { type Counted, isMoved, valueOf } from "./recount";
import { type Requirement, figureOf, inWords, limitOf, parseRequirement, spreadOf } from "./requirement";
import type { AuditState } from "./state";

export function Verdicts({ state }: { state: AuditState }) {
  const counted = state.counted.value!;
  const { verdicts } = counted.audit;
  return (
    <section class="verdicts" aria-label="Requirements">
      <h3>Requirements</h3>
      {verdicts.length ? (
        <p class="hint">Upright bar: the value; line through it: its 95 % interval; dashed: the limit; shaded green: what is allowed.</p>
      ) : (
        <p>The spec states none.</p>
      )}
      {isMoved(counted.moved) && verdicts.length > 0 && (
        <p class="yours-note">Verdicts and intervals hold for the thresholds of chance. Yours change the values to those after “by your thresholds”, which have no interval.</p>
      )}
      <ul>
        {verdicts.map((verdict) => (
          <One key={verdict.requirement} verdict={verdict} counted={counted} />
        ))}
      </ul>
    </section>
  );
}

const WORDS: Record<Verdict["verdict"], string> = { met: "Met", "not met": "Not met", "cannot tell": "Cannot tell" };
const KINDS: Record<Verdict["verdict"], Kind> = { met: "good", "not met": "bad", "cannot tell": "untold" };
const LOOKS: Record<Verdict["verdict"], "met" | "unmet" | "untold"> = { met: "met", "not met": "unmet", "cannot tell": "untold" };

function One({ verdict, counted }: { verdict: Verdict; counted: Counted }) {
  const asked = parseRequirement(verdict.requirement);
  return (
    <li class={`verdict ${LOOKS[verdict.verdict]}`}>
      <div>
        <p class="head">
          <span class="mark">
            <Sign kind={KINDS[verdict.verdict]} /> <strong>{WORDS[verdict.verdict]}</strong>
          </span>
          <span class={`sure ${verdict.sure ? "" : "unsure"}`}>
            <bdi>{verdict.sure ? "sure" : verdict.verdict === "cannot tell" ? verdict.reason : `not sure: ${verdict.reason}`}</bdi>
          </span>
        </p>
        {asked && (
          <p>
            <bdi>{inWords(asked, counted.audit.output)}</bdi>.
          </p>
        )}
        <p class="hint">
          <code>
            <bdi>{verdict.requirement}</bdi>
          </code>{" "}
          in <bdi>{verdict.layer}</bdi>
        </p>
      </div>
      {asked && <Figures verdict={verdict} asked={asked} counted={counted} />}
    </li>
  );
}

function Figures({ verdict, asked, counted }: { verdict: Verdict; asked: Requirement; counted: Counted }) {
  const yours = isMoved(counted.moved) ? valueOf(counted, asked) : null;
  const known = [verdict.high, asked.limit, yours?.value ?? null].filter((one) => one !== null);
  const top = ["relevance_mass", "net_relevance", "drivers"].includes(asked.figure) ? 1 : 1.25 * Math.max(...known) || 1;
  const allowed: [number, number] = asked.operator.startsWith("<") ? [0, asked.limit] : [asked.limit, top];
  const said = `${figureOf(verdict.value, asked)}, from ${spreadOf(verdict, asked)}, on a scale to ${Number(top.toPrecision(3))}; limit ${limitOf(asked)}`;
  return (
    <div>
      <Interval {...verdict} top={top} kind={LOOKS[verdict.verdict]} words={said} allowed={allowed} yours={yours?.value ?? null} />
      <p class="figures">
        {figureOf(verdict.value, asked)} ({spreadOf(verdict, asked)}), limit {limitOf(asked)}
      </p>
      {yours && (
        <p class="figures yours-figure">
          by your thresholds {figureOf(yours.value, asked)}: {yours.met ? "met" : "not met"}
        </p>
      )}
    </div>
  );
}
