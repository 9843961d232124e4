/** Ranges of columns as a text in the URL: "clarity:0.5..,p_value:..0.05". */

export interface Range {
  key: string; // of the column
  low: number | null; // inclusive; null: no bound
  high: number | null;
}

export function parseRanges(text: string): Range[] {
  return text.split(",").flatMap((part) => {
    const found = /^(\w+):(.*?)\.\.(.*)$/.exec(part);
    return found ? [{ key: found[1]!, low: bound(found[2]!), high: bound(found[3]!) }] : [];
  });
}

export function writeRanges(ranges: readonly Range[]): string {
  return ranges.map(({ key, low, high }) => `${key}:${low ?? ""}..${high ?? ""}`).join(",");
}

export function bound(text: string): number | null {
  const found = Number(text);
  return text.trim() === "" || !Number.isFinite(found) ? null : found;
}

/** Whether a value lies in the range. What is not a number lies in none but the endless one. */
export function inside({ low, high }: Range, value: number): boolean {
  if (low === null && high === null) return true;
  return (low === null || value >= low) && (high === null || value <= high) && !Number.isNaN(value);
}
