/** Text that fits: measured in the letters of the page, cut off with an ellipsis where it does not. */

let paint: CanvasRenderingContext2D | null = null;

/** About how wide a text is, in pixels. */
export function wide(text: string, size: number, weight = 400): number {
  paint ??= document.createElement("canvas").getContext("2d");
  if (!paint) return text.length * size * 0.6;
  paint.font = `${weight} ${size}px system-ui, sans-serif`;
  return paint.measureText(text).width;
}

/** As much of the text as fits into so many pixels; `from` says which end goes. */
export function fitted(text: string, room: number, size: number, from: "start" | "end" = "end", weight = 400): string {
  if (wide(text, size, weight) <= room) return text;
  const letters = Array.from(text);
  let low = 0;
  let high = letters.length;
  const cut = (keep: number) => (from === "end" ? `${letters.slice(0, keep).join("").trimEnd()}…` : `…${letters.slice(letters.length - keep).join("")}`);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (wide(cut(middle), size, weight) <= room) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}

/** The text in at most so many lines, broken between words where that is possible. */
export function lines(text: string, room: number, size: number, most: number, weight = 400): string[] {
  const words = text.split(/\s+/).filter(Boolean);
  const found: string[] = [];
  while (words.length && found.length < most) {
    let line = words.shift()!;
    while (words.length && wide(`${line} ${words[0]}`, size, weight) <= room) line += ` ${words.shift()}`;
    const rest = found.length === most - 1 && words.length ? ` ${words.join(" ")}` : "";
    found.push(fitted(line + rest, room, size, "end", weight));
  }
  return found;
}
