/** Ranges that the shown components' numbers must lie in: each with two fields, and a list of columns to add one. */

import { Icon } from "../ui/Icon";
import type { Column } from "./columns";
import { type Range, bound } from "./ranges";

export interface RangeBarProps {
  columns: readonly Column[];
  ranges: readonly Range[];
  onChange(ranges: Range[]): void;
}

export function RangeBar({ columns, ranges, onChange }: RangeBarProps) {
  const numbers = columns.filter((one) => one.kind === "number" && !one.why);
  const change = (range: Range, to: Partial<Range>) => onChange(ranges.map((one) => (one === range ? { ...one, ...to } : one)));
  return (
    <>
      {ranges.map((range) => {
        const name = columns.find((one) => one.key === range.key)?.name ?? range.key;
        return (
          <span key={range.key} class="range" role="group" aria-label={`Range of ${name}`}>
            <Bound label={`${name} from`} value={range.low} onSet={(low) => change(range, { low })} />
            <span aria-hidden="true">≤ {name} ≤</span>
            <Bound label={`${name} to`} value={range.high} onSet={(high) => change(range, { high })} />
            <button type="button" class="bare-button" aria-label={`Remove the range of ${name}`} onClick={() => onChange(ranges.filter((one) => one !== range))}>
              <Icon name="clear" />
            </button>
          </span>
        );
      })}
      <select
        aria-label="Filter by a column's range"
        value=""
        onChange={(event) => {
          const key = event.currentTarget.value;
          event.currentTarget.value = "";
          if (key) onChange([...ranges.filter((one) => one.key !== key), { key, low: null, high: null }]);
        }}
      >
        <option value="">Filter by range …</option>
        {numbers.map((column) => (
          <option key={column.key} value={column.key}>
            {column.name}
          </option>
        ))}
      </select>
    </>
  );
}

function Bound({ label, value, onSet }: { label: string; value: number | null; onSet(value: number | null): void }) {
  return <input type="text" inputMode="decimal" aria-label={label} placeholder="any" value={value ?? ""} onInput={(event) => onSet(bound(event.currentTarget.value.replace(",", ".").replace("−", "-")))} />;
}
