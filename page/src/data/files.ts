/** Answers out of a folder of files, as `semlens export` writes them: everything that was known when it ran. Components
 *  and pictures lie many to a file, for a folder of a million files is no use to anyone. */

import { type Arrays, unpack } from "./safetensors";
import type { Comparison } from "./types";
import { type Answer, type Transport, Refused, Server } from "./transport";

export const PER_FILE = 64; // components, or crops
const PICTURES = 2000; // addresses of pictures that are kept

export class Files implements Transport {
  private readonly files: Server;
  private readonly packs = new Map<string, Promise<ArrayBuffer>>();
  private readonly pictures = new Map<string, Promise<string>>();

  constructor(root = "./data/") {
    this.files = new Server(root);
  }

  async get(path: string, signal?: AbortSignal): Promise<Answer> {
    if (path === "status") return this.told([]);
    const component = /^(\d)\/component\/(\d+)$/.exec(path);
    if (component) return this.component(component[1]!, Number(component[2]));
    const graph = /^(\d)\/graph\?(.*)$/.exec(path);
    if (graph) return this.files.get(`${graph[1]}/graph/${new URLSearchParams(graph[2]).get("class")}`, signal);
    if (/^compare\b/.test(path)) return this.comparison(new URLSearchParams(path.split("?")[1]), signal);
    if (/^\d\/search/.test(path)) return this.refuse("This is a copy in files: only labels can be searched.");
    return this.files.get(path.replace(/\?.*$/, ""), signal).then((found) => (found.status === 404 ? this.refuse("This was not exported.") : found));
  }

  async post(): Promise<Answer> {
    return this.refuse("This is a copy in files: nothing new can be asked or kept.");
  }

  picture(path: string): Promise<string> {
    const known = this.pictures.get(path);
    if (known) return known;
    const found = this.cut(path).then((file) => URL.createObjectURL(new Blob([file as BlobPart], { type: "image/webp" })));
    found.catch(() => this.pictures.delete(path));
    this.pictures.set(path, found);
    const [oldest] = this.pictures.keys();
    if (this.pictures.size > PICTURES && oldest !== undefined) {
      void this.pictures.get(oldest)!.then((address) => URL.revokeObjectURL(address), () => undefined);
      this.pictures.delete(oldest);
    }
    return found;
  }

  /** The bytes of a picture, out of the file that holds it and its like. */
  private async cut(path: string): Promise<Uint8Array> {
    const crop = /^(\d)\/crop\/(\d+)\.webp$/.exec(path);
    if (crop) return this.item(`${crop[1]}/crops/${Math.floor(Number(crop[2]) / PER_FILE)}`, Number(crop[2]) % PER_FILE);
    const kept = /^(\d)\/kept\/(\d+)\.webp$/.exec(path);
    if (kept) return this.item(`${kept[1]}/kept/${Math.floor(Number(kept[2]) / PER_FILE)}`, Number(kept[2]) % PER_FILE);
    const example = /^(\d)\/(frame|heat)\/(\d+)\/(\d+)\.webp$/.exec(path);
    if (example) return this.item(`${example[1]}/${example[2]}s/${example[3]}`, Number(example[4]));
    throw new Refused(404, "This picture was not exported.");
  }

  private async item(file: string, at: number): Promise<Uint8Array> {
    const { arrays }: Arrays = unpack(await this.pack(file));
    const offsets = arrays.offsets!;
    return (arrays.data as Uint8Array).subarray(offsets[at]!, offsets[at + 1]!);
  }

  private async component(index: string, row: number): Promise<Answer> {
    const file = await this.pack(`${index}/components/${Math.floor(row / PER_FILE)}`);
    return this.told((JSON.parse(new TextDecoder().decode(file)) as unknown[])[row % PER_FILE]);
  }

  /** The one comparison that was exported, if it is of the layers that are asked for. */
  private async comparison(asked: URLSearchParams, signal?: AbortSignal): Promise<Answer> {
    const found = await this.files.get("compare", signal);
    if (found.status !== 200) return this.refuse("A comparison was not exported.");
    const { sides } = JSON.parse(new TextDecoder().decode(found.body)) as Comparison;
    const same = sides.every(({ layers }, at) => {
      const layer = asked.get("ab"[at]!);
      return !layer || (layers.length === 1 && layers[0] === layer);
    });
    const [a, b] = sides.map(({ name, layers }) => (sides[0]!.index === sides[1]!.index ? layers.join(", ") : name));
    return same ? found : this.refuse(`This copy in files holds one comparison, of ${a} with ${b}: a running server makes others.`);
  }

  private pack(file: string): Promise<ArrayBuffer> {
    const known = this.packs.get(file);
    if (known) return known;
    const found = this.files.get(file).then(({ status, body }) => {
      if (status !== 200) throw new Refused(status, "A file of this copy is not there.");
      return body;
    });
    found.catch(() => this.packs.delete(file));
    this.packs.set(file, found);
    const [oldest] = this.packs.keys();
    if (this.packs.size > PER_FILE && oldest !== undefined) this.packs.delete(oldest);
    return found;
  }

  private told(value: unknown, status = 200): Answer {
    return { status, body: new TextEncoder().encode(JSON.stringify(value)).buffer as ArrayBuffer };
  }

  private refuse(error: string): Answer {
    return this.told({ error }, 404);
  }
}
