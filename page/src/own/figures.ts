/** What is said of the reader's own picture, out of what the server measured: pure functions of numbers and labels. */

/** GET {i}/own?image=ID[&output=N] — safetensors; 202 while the model looks at it */
export interface Own {
  logits: Float32Array; // y
  activations: Float32Array; // c
  relevance: Float32Array; // c: for the output, as a part of all magnitudes in its layer, in [-1, 1]
  names: string[]; // of the outputs
  output: number; // the one that is explained
  warnings: string[];
}

export interface Share {
  label: string; // empty: components without a label
  rows: number[]; // the strongest first
  net: number; // in [-1, 1]
}

/** The logits as softmax gives them, each in [0, 1]. */
export function softmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = values.reduce((most, one) => Math.max(most, one), -Infinity);
  const odds = values.map((one) => Math.exp(one - top));
  const all = odds.reduce((sum, one) => sum + one, 0);
  return odds.map((one) => one / all);
}

/** Outputs by their logit, the highest first; ties in their order. */
export function ranked(logits: ArrayLike<number>, count: number): number[] {
  return Array.from(logits, (_, at) => at)
    .sort((a, b) => logits[b]! - logits[a]! || a - b)
    .slice(0, count);
}

/** What the components of a layer add up to, label by label, the largest magnitude first. */
export function byLabel(relevance: ArrayLike<number>, rows: Iterable<number>, labelOf: (row: number) => string | null): Share[] {
  const shares = new Map<string, Share>();
  for (const row of rows) {
    const value = relevance[row]!;
    if (value === 0) continue;
    const label = labelOf(row) ?? "";
    const share = shares.get(label) ?? { label, rows: [], net: 0 };
    share.rows.push(row);
    share.net += value;
    shares.set(label, share);
  }
  for (const share of shares.values()) share.rows.sort((a, b) => Math.abs(relevance[b]!) - Math.abs(relevance[a]!) || a - b);
  return [...shares.values()].sort((a, b) => Math.abs(b.net) - Math.abs(a.net) || a.label.localeCompare(b.label));
}

/** How strongly components fire, as a part of their strongest example: the strongest first, those that do not left out. */
export function firing(activations: ArrayLike<number>, strongest: ArrayLike<number>, rows: Iterable<number>, count: number): { row: number; part: number }[] {
  return Array.from(rows, (row) => ({ row, part: strongest[row]! > 0 ? activations[row]! / strongest[row]! : 0 }))
    .filter(({ part }) => part > 0 && Number.isFinite(part))
    .sort((a, b) => b.part - a.part || a.row - b.row)
    .slice(0, count);
}

/** Components by how much they moved the output, for or against it; those that did not left out. */
export function moving(relevance: ArrayLike<number>, rows: Iterable<number>, count: number): number[] {
  return Array.from(rows)
    .filter((row) => relevance[row]! !== 0)
    .sort((a, b) => Math.abs(relevance[b]!) - Math.abs(relevance[a]!) || a - b)
    .slice(0, count);
}
