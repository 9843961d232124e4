/** The class whose relevance is shown. */

import { useStore } from "../data/store";

export function ClassPicker({ label = "Class" }: { label?: string }) {
  const store = useStore();
  const classes = store.index.value.info.classes;
  if (!classes.length) return null;
  return (
    <label class="class-picker">
      <span>{label}</span>
      <select value={String(store.of.value)} onChange={(event) => store.place.set({ class: event.currentTarget.value })}>
        {classes.map((one) => (
          <option key={one.number} value={String(one.number)} disabled={!one.images}>
            {one.name}
            {one.images ? "" : " (no images)"}
          </option>
        ))}
      </select>
    </label>
  );
}
