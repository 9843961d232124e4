/** A selection of components as a short text, so that it fits into a URL: differences of sorted rows, as base64url. */

/** Selections whose text is longer stay out of the URL. */
export const LONGEST = 6000;

export function packRows(rows: ArrayLike<number>): string {
  const bytes: number[] = [];
  let last = -1;
  for (const row of Array.from(rows).sort((a, b) => a - b)) {
    let gap = row - last - 1;
    last = row;
    while (gap > 127) {
      bytes.push((gap & 127) | 128);
      gap >>>= 7;
    }
    bytes.push(gap);
  }
  return btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** The rows below `count` that a text stands for; what is no such text gives none. */
export function unpackRows(text: string, count: number): Int32Array {
  let bytes: string;
  try {
    bytes = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  } catch {
    return new Int32Array();
  }
  const rows: number[] = [];
  let last = -1;
  let gap = 0;
  let shift = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes.charCodeAt(at);
    gap |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      last += gap + 1;
      if (last < 0 || last >= count) break;
      rows.push(last);
      gap = shift = 0;
    }
  }
  return Int32Array.from(rows);
}
