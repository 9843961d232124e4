/** What there is to read on the map: names of clusters, of neighbourhoods and of single components, by zoom. */

import type { Camera, View } from "./camera";
import { scaleOf, seen } from "./camera";
import { type MapModel, partOf, pointsIn } from "./model";

/** A text that wants to stand at a place of the map. */
export interface Name {
  text: string;
  x: number;
  y: number;
  level: "cluster" | "local" | "single";
  group?: number; // the cluster
}

/** Fewer points than this in view: their crops are drawn. */
export const FEW = 150;

const CELL = 150; // CSS pixels: about the size of a neighbourhood with a name
const LEAST = 3; // components that share a label make a neighbourhood
const PART = 0.3; // of a neighbourhood that has to share its label

/** The middle of every cluster that is visible: the median, so that strays do not pull it away. */
export function clusterPlaces(model: MapModel, names: string[], visible: Uint8Array): Name[] {
  const members: number[][] = names.map(() => []);
  for (const point of model.living) if (visible[point]) members[model.cluster[point]!]?.push(point);
  return members
    .map((points, group) => ({ points, group }))
    .filter(({ points, group }) => points.length > 0 && names[group])
    .sort((a, b) => b.points.length - a.points.length)
    .map(({ points, group }) => ({ ...middle(model, points), text: names[group]!, level: "cluster" as const, group }));
}

function middle(model: MapModel, points: number[]): { x: number; y: number } {
  const median = (axis: number) => Float32Array.from(points, (point) => model.xy[2 * point + axis]!).sort()[points.length >> 1]!;
  return { x: median(0), y: median(1) };
}

/** The names of neighbourhoods in view: labels that several components of a small part of the map share. */
export function localPlaces(model: MapModel, camera: Camera, view: View, points: readonly number[]): Name[] {
  const size = CELL / 2 ** Math.round(Math.log2(scaleOf(camera, view))); // steps, so that names stay while the reader zooms
  const cells = new Map<string, Map<string, number[]>>();
  const totals = new Map<string, number>();
  for (const point of points) {
    const { index, start } = partOf(model, point);
    const cell = `${Math.floor(model.xy[2 * point]! / size)},${Math.floor(model.xy[2 * point + 1]! / size)}`;
    totals.set(cell, (totals.get(cell) ?? 0) + 1);
    const label = index.label(point - start);
    if (!label) continue;
    let votes = cells.get(cell);
    if (!votes) cells.set(cell, (votes = new Map()));
    const voters = votes.get(label);
    if (voters) voters.push(point);
    else votes.set(label, [point]);
  }
  const found: (Name & { size: number })[] = [];
  for (const [cell, votes] of cells) {
    const [text, voters] = [...votes].reduce((best, one) => (one[1].length > best[1].length ? one : best));
    if (voters.length < LEAST || voters.length < PART * totals.get(cell)!) continue;
    found.push({ ...middle(model, voters), text, level: "local", size: voters.length });
  }
  return found.sort((a, b) => b.size - a.size);
}

/** The names of single components. */
export function singlePlaces(model: MapModel, points: readonly number[]): Name[] {
  return points.map((point) => {
    const { index, start } = partOf(model, point);
    return { text: index.title(point - start), x: model.xy[2 * point]!, y: model.xy[2 * point + 1]!, level: "single" };
  });
}

export interface Scenery {
  names: Name[]; // the most important first
  crops: { point: number; path: string }[]; // the most important first
  inView: number; // visible points
}

export const NOTHING: Scenery = { names: [], crops: [], inView: 0 };

const LOCAL_FROM = 2.2; // zoom
const MOST_LOCAL = 60000; // points in view: beyond, neighbourhoods are not counted

/** All there is to read and to see where the camera rests. */
export function sceneryOf(model: MapModel, camera: Camera, view: View, visible: Uint8Array, clusters: Name[], order: readonly number[]): Scenery {
  const points = pointsIn(model, seen(camera, view), visible);
  const few = points.length > 0 && points.length < FEW && camera.zoom > 1.5;
  const local = camera.zoom >= LOCAL_FROM && !few && points.length < MOST_LOCAL ? localPlaces(model, camera, view, points) : [];
  const known = new Set(clusters.map((one) => one.text));
  const shown = few ? inOrder(points, order) : [];
  return {
    names: [...clusters, ...local.filter((one) => !known.has(one.text)), ...singlePlaces(model, shown)],
    crops: shown.flatMap((point) => {
      const { index, start } = partOf(model, point);
      const crop = index.base.crop[point - start]!;
      return crop >= 0 ? [{ point, path: index.at(`crop/${crop}.webp`) }] : [];
    }),
    inView: points.length,
  };
}

/** The foremost first: hits of a search, then as they come. */
function inOrder(points: number[], first: readonly number[]): number[] {
  const foremost = first.filter((point) => points.includes(point));
  return [...foremost, ...points.filter((point) => !foremost.includes(point))];
}
