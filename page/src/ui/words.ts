/** Numbers as a person reads them. */

export const NONE = "–";

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

export function grouped(count: number): string {
  return count.toLocaleString("en-GB");
}

/** With `digits` after the point; a dash for what is not a number. */
export function rounded(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** Three digits, whatever the size. */
export function short(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1000) return grouped(Math.round(value));
  return size < 0.001 ? value.toExponential(1).replace(/-/g, "−") : String(Number(value.toPrecision(3))).replace("-", "−");
}

/** A share in [0, 1] as per cent, with as many digits as it needs. */
export function percent(share: number | null | undefined): string {
  if (share === null || share === undefined || !Number.isFinite(share)) return NONE;
  const value = share * 100;
  if (value > 0 && value < 0.1) return "under 0.1 %";
  return `${value > 99 && value < 100 ? Math.min(99.9, value).toFixed(1) : value < 10 ? Number(value.toFixed(1)) : Math.round(value)} %`;
}

/** How often chance does it: "1 in 4,000". */
export function oneIn(p: number): string {
  if (p > 0.5) return "most";
  if (p > 0.4) return "1 in 2";
  const times = 1 / p;
  const step = 10 ** Math.max(0, Math.floor(Math.log10(times)) - 1);
  return `1 in ${grouped(Math.round(times / step) * step)}`;
}

/** A layer or component as it is shown: of the file of a dictionary only its name. */
export function brief(layer: string): string {
  return layer.replace(/@dictionary:(?:.*[\\/])?([^\\/:]+?)(\.safetensors)?(?=:\d+$|$)/, "@$1");
}

/** What a kind says of a dictionary: what it leaves of the layer's variance, NaN where that is not known; null for another kind. */
export function dictionaryOf(kind: string): { unexplained: number } | null {
  if (!/^dictionary\b/.test(kind)) return null;
  return { unexplained: Number(/FVU ([\d.]+)/.exec(kind)?.[1] ?? NaN) };
}
