/** Where the reader looks: pure camera maths, without a screen. Map coordinates have their origin in the middle of all
 *  points, y upwards, and the longer side runs from -1 to 1. Screen coordinates are CSS pixels, y downwards. */

export interface Camera {
  x: number; // centre of the view, on the map
  y: number;
  zoom: number; // 1: all points fit into the view
}

/** What is looked through: its size, and half the sides of all there is to see. */
export interface View {
  width: number;
  height: number;
  halfX: number;
  halfY: number;
}

export interface Box {
  left: number;
  bottom: number;
  right: number;
  top: number;
}

export const WHOLE: Camera = { x: 0, y: 0, zoom: 1 };
const LOWEST = 0.6;
const HIGHEST = 5000; // beyond, float32 positions would tremble
const MARGIN = 0.08; // of the view, left free around what is fitted into it

/** CSS pixels per unit of the map at a zoom of 1. */
export function fitScale({ width, height, halfX, halfY }: View): number {
  const room = 1 - 2 * MARGIN;
  return Math.max(1e-6, Math.min((width * room) / (2 * Math.max(halfX, 1e-6)), (height * room) / (2 * Math.max(halfY, 1e-6))));
}

/** CSS pixels per unit of the map. */
export function scaleOf(camera: Camera, view: View): number {
  return fitScale(view) * camera.zoom;
}

export function toScreen(camera: Camera, view: View, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, view);
  return [(x - camera.x) * scale + view.width / 2, (camera.y - y) * scale + view.height / 2];
}

export function toMap(camera: Camera, view: View, left: number, top: number): [number, number] {
  const scale = scaleOf(camera, view);
  return [(left - view.width / 2) / scale + camera.x, camera.y - (top - view.height / 2) / scale];
}

/** The part of the map that is in view, widened by some pixels. */
export function seen(camera: Camera, view: View, pixels = 0): Box {
  const [left, top] = toMap(camera, view, -pixels, -pixels);
  const [right, bottom] = toMap(camera, view, view.width + pixels, view.height + pixels);
  return { left, bottom, right, top };
}

/** Within reach: some of the map stays in view. */
export function bounded(camera: Camera, view: View): Camera {
  const zoom = Math.min(HIGHEST, Math.max(LOWEST, camera.zoom));
  const within = (at: number, half: number) => Math.min(half, Math.max(-half, at));
  return { x: within(camera.x, view.halfX), y: within(camera.y, view.halfY), zoom };
}

/** Zoomed by a factor while what is under (left, top) stays there. */
export function zoomAbout(camera: Camera, view: View, left: number, top: number, factor: number): Camera {
  const zoom = Math.min(HIGHEST, Math.max(LOWEST, camera.zoom * factor));
  const [x, y] = toMap(camera, view, left, top);
  const kept = camera.zoom / zoom;
  return bounded({ x: x + (camera.x - x) * kept, y: y + (camera.y - y) * kept, zoom }, view);
}

/** Dragged by some pixels. */
export function dragged(camera: Camera, view: View, right: number, down: number): Camera {
  const scale = scaleOf(camera, view);
  return bounded({ x: camera.x - right / scale, y: camera.y + down / scale, zoom: camera.zoom }, view);
}

/** A box of the map in the middle of the view. A box without extent does not zoom in beyond `closest`. */
export function fitted({ left, bottom, right, top }: Box, view: View, closest = 60): Camera {
  const halfX = (right - left) / 2;
  const halfY = (top - bottom) / 2;
  const wanted = fitScale({ ...view, halfX, halfY }) / fitScale(view);
  return bounded({ x: (left + right) / 2, y: (bottom + top) / 2, zoom: Math.min(closest, wanted) }, view);
}

/** On the way from one camera to another, t in [0, 1]: the zoom changes evenly for the eye, the goal nears steadily. */
export function between(from: Camera, to: Camera, t: number): Camera {
  if (t >= 1) return to;
  const eased = t * t * (3 - 2 * t);
  const zoom = from.zoom * (to.zoom / from.zoom) ** eased;
  // As far along as the scale has come, so that a point that both cameras see moves on a straight line.
  const change = 1 / to.zoom - 1 / from.zoom;
  const along = Math.abs(change) < 1e-9 ? eased : (1 / zoom - 1 / from.zoom) / change;
  return { x: from.x + (to.x - from.x) * along, y: from.y + (to.y - from.y) * along, zoom };
}

/** The camera for the URL, exact to a thousandth of the view; empty for the whole map. */
export function writeCamera({ x, y, zoom }: Camera): string {
  if (Math.abs(x) < 1e-3 && Math.abs(y) < 1e-3 && Math.abs(zoom - 1) < 1e-3) return "";
  const digits = Math.max(3, Math.ceil(Math.log10(zoom)) + 3);
  return [Number(x.toFixed(digits)), Number(y.toFixed(digits)), Number(zoom.toPrecision(3))].join(",");
}

/** The camera that a URL's text stands for; null if it is none. */
export function readCamera(text: string): Camera | null {
  const parts = text.split(",");
  const [x, y, zoom] = parts.map(Number) as [number, number, number];
  return parts.length === 3 && [x, y, zoom].every(Number.isFinite) && zoom > 0 ? { x, y, zoom } : null;
}
