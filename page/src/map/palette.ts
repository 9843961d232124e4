/** Colours told apart with any kind of colour blindness, and ramps that are even for the eye. sRGB, 0 to 255. */

export type Colour = readonly [number, number, number];

const linear = (v: number) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const gamma = (v: number) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

/** Lightness, green to red, blue to yellow. Source: Ottosson 2020, "A perceptual color space for image processing". */
function toOklab([r, g, b]: Colour): [number, number, number] {
  const [lr, lg, lb] = [linear(r / 255), linear(g / 255), linear(b / 255)];
  const l = Math.cbrt(0.4122214708 * lr + 0.5363325363 * lg + 0.0514459929 * lb);
  const m = Math.cbrt(0.2119034982 * lr + 0.6806995451 * lg + 0.1073969566 * lb);
  const s = Math.cbrt(0.0883024619 * lr + 0.2817188376 * lg + 0.6299787005 * lb);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab(light: number, a: number, b: number): Colour {
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const out = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return out.map((v) => Math.round(255 * gamma(Math.min(1, Math.max(0, v))))) as unknown as Colour;
}

/** #rgb or #rrggbb. */
export function hex(text: string): Colour {
  const full = text.length === 4 ? text.replace(/[0-9a-f]/gi, "$&$&") : text;
  return [1, 3, 5].map((at) => parseInt(full.slice(at, at + 2), 16)) as unknown as Colour;
}

export function css([r, g, b]: Colour, alpha = 1): string {
  return alpha === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${alpha})`;
}

export function isDark(ground: Colour): boolean {
  return toOklab(ground)[0] < 0.5;
}

/** Okabe and Ito's without black; their yellow darker on white, their blue lighter on black, to stay visible. */
const FIRST = {
  light: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#c7b000"].map(hex),
  dark: ["#3f9fe0", "#e69f00", "#10b487", "#d98cb8", "#8acbf5", "#e8702a", "#f0e442"].map(hex),
};
const STEPS = { light: [0, -0.2, 0.11], dark: [0, -0.2, 0.12] }; // of lightness: the same hues once more, then again

/** The colour of a group by its number. After 21 they begin again: no more can be told apart. */
export function groupColour(number: number, dark: boolean): Colour {
  const theme = dark ? "dark" : "light";
  const first = FIRST[theme];
  const [light, a, b] = toOklab(first[number % first.length]!);
  const step = STEPS[theme][Math.floor(number / first.length) % 3]!;
  return step ? fromOklab(Math.min(0.95, Math.max(0.25, light + step)), a * 0.92, b * 0.92) : first[number % first.length]!;
}

const RAMP = 256;

/** 256 colours from little to much, evenly away from the ground: yellow to blue on white, blue to yellow on black. */
export function ramp(dark: boolean): readonly Colour[] {
  return (dark ? onDark : onLight)();
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

function spread(from: [number, number], to: [number, number], chroma: number): readonly Colour[] {
  return Array.from({ length: RAMP }, (_, at) => {
    const t = at / (RAMP - 1);
    const hue = ((from[1] + (to[1] - from[1]) * t) * Math.PI) / 180;
    return fromOklab(from[0] + (to[0] - from[0]) * t, chroma * Math.cos(hue), chroma * Math.sin(hue));
  });
}

const onLight = once(() => spread([0.88, 100], [0.3, 280], 0.105));
const onDark = once(() => spread([0.38, 285], [0.94, 102], 0.115));

/** The colour of a value between low and high; null where there is none. */
export function rampColour(value: number, low: number, high: number, colours: readonly Colour[]): Colour | null {
  if (Number.isNaN(value)) return null;
  const t = high > low ? (value - low) / (high - low) : 0.5;
  return colours[Math.min(RAMP - 1, Math.max(0, Math.round(t * (RAMP - 1))))]!;
}
