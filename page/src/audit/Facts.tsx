/** All that an audit knows of a component, in lines. */

import type { AuditRow, Quadrant } from "../data/types";
import { Bars } from "./Marks";
import { type Moved, needed } from "./recount";
import type { Side } from "./spec";
import { NAMES, chance, deviations, percent, threshold } from "./words";

export interface FactsProps {
  row: AuditRow;
  quadrant: Quadrant;
  moved: Moved;
  top: number; // relevance that fills a bar
}

export function Facts({ row, quadrant, moved, top }: FactsProps) {
  const sides: Side[] = quadrant === "valid" ? ["valid", "spurious"] : ["spurious", "valid"];
  return (
    <dl class="told-of">
      {sides.map((side) => (
        <SideOf key={side} row={row} side={side} moved={moved} />
      ))}
      <div>
        <dt>Relevance</dt>
        <dd>
          {percent(row.relevance)} for, {percent(row.against)} against
          <Bars relevance={row.relevance} against={row.against} top={top} kind={quadrant} />
        </dd>
      </div>
      <div>
        <dt>Also for</dt>
        <dd>{row.affected.length ? row.affected.map((name, at) => [at > 0 && ", ", <bdi key={name}>{name}</bdi>]) : "no other output"}</dd>
      </div>
    </dl>
  );
}

function SideOf({ row, side, moved }: { row: AuditRow; side: Side; moved: Moved }) {
  const limit = needed(row, side, moved);
  const concept = <bdi>{row[`${side}_concept`]}</bdi>;
  return (
    <div>
      <dt>{side === "valid" ? "Valid" : "Spurious"}</dt>
      <dd title="Alignment, in standard deviations of chance; p: how often chance fits some concept of the side as well">
        {row[side] > limit ? <strong>{concept}</strong> : <>nearest: {concept}</>}, {deviations(row[side])} ({threshold(limit)}), {chance(row[`${side}_p`])}
      </dd>
    </div>
  );
}

/** A component in one line of plain text, for those who do not see the chart. */
export function described(name: string, row: AuditRow, quadrant: Quadrant): string {
  return [
    name === row.component ? name : `${name}, ${row.component}`,
    `fits ${NAMES[quadrant]}`,
    `spurious: ${row.spurious_concept}, ${deviations(row.spurious)} (${chance(row.spurious_p)})`,
    `valid: ${row.valid_concept}, ${deviations(row.valid)} (${chance(row.valid_p)})`,
    `relevance: ${percent(row.relevance)} for, ${percent(row.against)} against`,
  ].join("; ");
}
