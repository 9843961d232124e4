/** Empty stretches of a map, shortened: how far apart islands lie on a drawing says nothing, but costs all the room. */

const WIDEST = 0.08; // of the extent

/** Shortens wide gaps along one axis, in place; order and the distances within islands stay. NaN stays. */
export function closeGaps(xy: Float32Array, axis: 0 | 1): void {
  const points = Uint32Array.from({ length: xy.length / 2 }, (_, point) => point).filter((point) => !Number.isNaN(xy[2 * point + axis]!));
  points.sort((a, b) => xy[2 * a + axis]! - xy[2 * b + axis]!);
  if (points.length < 3) return;
  const extent = xy[2 * points[points.length - 1]! + axis]! - xy[2 * points[0]! + axis]!;
  const widest = extent * Math.max(WIDEST, 4 / points.length); // few points lie apart without being islands
  let before = xy[2 * points[0]! + axis]!;
  let shift = 0;
  for (const point of points) {
    const value = xy[2 * point + axis]!;
    shift += Math.max(0, value - before - widest);
    before = value;
    xy[2 * point + axis] = value - shift;
  }
}
