/** Points on a 2-D canvas, where WebGL2 is not to be had: slower, otherwise the same. */

import { LARGE, type Looks, OUTLINED, type PointLayer, type Shot } from "./layer";
import { css } from "./palette";

const ROUND = 3; // points of more pixels than this are drawn round

export function canvasLayer(canvas: HTMLCanvasElement): PointLayer {
  const context = canvas.getContext("2d", { alpha: false })!;
  let xy: Float32Array = new Float32Array();
  let looks: Looks = { colours: new Uint8Array(), marks: new Uint8Array(), order: new Uint32Array() };
  let size: [number, number, number] = [1, 1, 1];
  return {
    kind: "canvas",
    canvas,
    place: (given) => void (xy = given),
    look: (given) => void (looks = given),
    resize(width, height, ratio) {
      size = [width, height, ratio];
      canvas.width = Math.max(1, Math.round(width * ratio));
      canvas.height = Math.max(1, Math.round(height * ratio));
    },
    draw(shot) {
      context.setTransform(size[2], 0, 0, size[2], 0, 0);
      context.fillStyle = css(shot.ground);
      context.fillRect(0, 0, size[0], size[1]);
      if (looks.marks.length * 2 === xy.length) drawPoints(context, xy, looks, shot, size[0], size[1]);
    },
    onRestored: () => {}, // browsers restore 2-D canvases themselves
    destroy: () => {},
  };
}

function drawPoints(context: CanvasRenderingContext2D, xy: Float32Array, { colours, marks, order }: Looks, shot: Shot, width: number, height: number): void {
  let last = -1;
  for (const point of order) {
    const x = (xy[2 * point]! - shot.x) * shot.scale + width / 2;
    const y = (shot.y - xy[2 * point + 1]!) * shot.scale + height / 2;
    if (x < -20 || y < -20 || x > width + 20 || y > height + 20) continue;
    const [r, g, b, a] = [colours[4 * point]!, colours[4 * point + 1]!, colours[4 * point + 2]!, colours[4 * point + 3]!];
    const mark = marks[point]!;
    const colour = ((r << 16) | (g << 8) | b) * 512 + a * 2 + (mark & LARGE);
    if (colour !== last) {
      last = colour;
      context.fillStyle = css([r, g, b], (a / 255) * (mark & LARGE ? 1 : shot.opacity));
      context.strokeStyle = context.fillStyle;
    }
    drawPoint(context, x, y, shot.size * (mark & LARGE ? 1.9 : 1), (mark & OUTLINED) !== 0);
  }
}

function drawPoint(context: CanvasRenderingContext2D, x: number, y: number, size: number, outlined: boolean): void {
  const half = size / 2;
  if (outlined) {
    context.beginPath();
    context.moveTo(x, y - 1.3 * half);
    context.lineTo(x + 1.3 * half, y);
    context.lineTo(x, y + 1.3 * half);
    context.lineTo(x - 1.3 * half, y);
    context.closePath();
    context.stroke();
  } else if (size <= ROUND) {
    context.fillRect(x - half, y - half, size, size);
  } else {
    context.beginPath();
    context.arc(x, y, half, 0, 7);
    context.fill();
  }
}
