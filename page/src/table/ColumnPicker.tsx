/** Which columns are shown, with a sentence on what each says. */

import { Menu } from "../ui/Menu";
import type { Column } from "./columns";

export interface ColumnPickerProps {
  columns: readonly Column[];
  shown: readonly Column[];
  onChange(keys: string[] | null): void; // null: those that are shown by themselves
}

export function ColumnPicker({ columns, shown, onChange }: ColumnPickerProps) {
  const toggle = (column: Column, on: boolean) => onChange(columns.filter((one) => (one === column ? on : shown.includes(one))).map((one) => one.key));
  return (
    <Menu name="Columns" value={`${shown.length} of ${columns.length}`}>
      <fieldset class="column-choice">
        <legend>Columns of the table, and of the files saved from it</legend>
        {columns.map((column) => (
          <label key={column.key}>
            <input type="checkbox" aria-label={column.name} checked={shown.includes(column)} disabled={shown.length === 1 && shown.includes(column)} onChange={(event) => toggle(column, event.currentTarget.checked)} />
            <span>
              {column.name}
              <span class="what">{column.why ?? column.says}</span>
            </span>
          </label>
        ))}
        <button type="button" class="button" onClick={() => onChange(null)}>
          As at first
        </button>
      </fieldset>
    </Menu>
  );
}
