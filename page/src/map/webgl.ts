/** Points by WebGL2: one draw call for all of them. */

import { LARGE, type Looks, OUTLINED, type PointLayer, type Shot } from "./layer";

const VERTEX = `#version 300 es
layout(location=0) in vec2 place;
layout(location=1) in vec4 colour;
layout(location=2) in uint mark;
uniform vec2 centre;
uniform vec2 scale;
uniform float size;
uniform float opacity;
out vec4 tint;
flat out vec2 form; // pixels across, outlined
void main() {
  gl_Position = vec4((place - centre) * scale, 0.0, 1.0);
  float large = float(mark & ${LARGE}u);
  float outlined = float((mark & ${OUTLINED}u) >> 1);
  gl_PointSize = size * (1.0 + 0.9 * large) * (1.0 + 0.5 * outlined);
  float alpha = colour.a * mix(opacity, 1.0, large);
  tint = vec4(colour.rgb * alpha, alpha);
  form = vec2(gl_PointSize, outlined);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
flat in vec2 form;
out vec4 colour;
void main() {
  vec2 at = abs(gl_PointCoord * 2.0 - 1.0);
  float away = form.y > 0.5 ? at.x + at.y : length(at);
  float pixel = 2.0 / form.x;
  float cover = clamp((1.0 - away) / pixel + 0.5, 0.0, 1.0);
  if (form.y > 0.5) cover *= clamp((away - 1.0 + 3.0 * pixel) / pixel, 0.25, 1.0);
  colour = tint * cover;
}`;

const NAMES = ["centre", "scale", "size", "opacity"] as const;

interface Programme {
  uniforms: Record<(typeof NAMES)[number], WebGLUniformLocation | null>;
  buffers: { place: WebGLBuffer; colour: WebGLBuffer; mark: WebGLBuffer; order: WebGLBuffer };
}

/** The layer, or null where WebGL2 is not to be had. */
export function webglLayer(canvas: HTMLCanvasElement): PointLayer | null {
  // Neither depth nor smoothing: discs are smoothed where they are drawn.
  const wishes = { alpha: false, antialias: false, depth: false, stencil: false };
  const gl = canvas.getContext("webgl2", wishes) as WebGL2RenderingContext | null;
  return gl ? new WebglLayer(canvas, gl, inSoftware(gl) ? "software" : "gpu") : null;
}

function inSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  if (/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name)) return true;
  const spare = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  spare?.getExtension("WEBGL_lose_context")?.loseContext();
  return !spare;
}

class WebglLayer implements PointLayer {
  private programme: Programme | null = null;
  private xy: Float32Array = new Float32Array();
  private looks: Looks = { colours: new Uint8Array(), marks: new Uint8Array(), order: new Uint32Array() };
  private again = () => {};
  private size: [number, number, number] = [1, 1, 1];

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    readonly kind: "gpu" | "software",
  ) {
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.restored);
    this.programme = build(gl);
  }

  place(xy: Float32Array): void {
    this.xy = xy;
    this.fill("place", xy);
  }

  look(looks: Looks): void {
    this.looks = looks;
    this.fill("colour", looks.colours);
    this.fill("mark", looks.marks);
    if (!this.programme) return;
    this.gl.bindBuffer(this.gl.ELEMENT_ARRAY_BUFFER, this.programme.buffers.order);
    this.gl.bufferData(this.gl.ELEMENT_ARRAY_BUFFER, looks.order, this.gl.DYNAMIC_DRAW);
  }

  resize(width: number, height: number, ratio: number): void {
    this.size = [width, height, ratio];
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }

  draw({ x, y, scale, size, opacity, ground }: Shot): void {
    const { gl, programme } = this;
    if (!programme || gl.isContextLost()) return;
    const [width, height, ratio] = this.size;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(ground[0] / 255, ground[1] / 255, ground[2] / 255, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(programme.uniforms.centre, x, y);
    gl.uniform2f(programme.uniforms.scale, (2 * scale) / width, (2 * scale) / height);
    gl.uniform1f(programme.uniforms.size, size * ratio);
    gl.uniform1f(programme.uniforms.opacity, opacity);
    if (this.looks.order.length && this.looks.marks.length * 2 === this.xy.length)
      gl.drawElements(gl.POINTS, this.looks.order.length, gl.UNSIGNED_INT, 0);
  }

  onRestored(again: () => void): void {
    this.again = again;
  }

  destroy(): void {
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.canvas.removeEventListener("webglcontextrestored", this.restored);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep few contexts: give it back at once
  }

  private fill(name: "place" | "colour" | "mark", data: Float32Array | Uint8Array): void {
    if (!this.programme) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.programme.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, data as AllowSharedBufferSource, this.gl.DYNAMIC_DRAW);
  }

  private readonly lost = (event: Event) => {
    event.preventDefault(); // else it would not come back
    this.programme = null;
  };

  private readonly restored = () => {
    this.programme = build(this.gl);
    this.place(this.xy);
    this.look(this.looks);
    this.again();
  };
}

function build(gl: WebGL2RenderingContext): Programme | null {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind);
    if (!shader) return null; // the context was lost meanwhile
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    if (gl.isContextLost()) return null;
    throw new Error(gl.getProgramInfoLog(program) ?? "the map's shaders do not link");
  }
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA); // colours come multiplied by their alpha
  const uniforms = Object.fromEntries(NAMES.map((name) => [name, gl.getUniformLocation(program, name)])) as Programme["uniforms"];
  return { uniforms, buffers: attributes(gl) };
}

function attributes(gl: WebGL2RenderingContext): Programme["buffers"] {
  gl.bindVertexArray(gl.createVertexArray());
  const buffers = { place: gl.createBuffer(), colour: gl.createBuffer(), mark: gl.createBuffer(), order: gl.createBuffer() };
  const bind = (buffer: WebGLBuffer, at: number) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.enableVertexAttribArray(at);
  };
  bind(buffers.place, 0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  bind(buffers.colour, 1);
  gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, 0, 0);
  bind(buffers.mark, 2);
  gl.vertexAttribIPointer(2, 1, gl.UNSIGNED_BYTE, 0, 0);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
  return buffers;
}
