/** Answers out of the notebook that the page stands in: requests and replies are messages to its kernel. */

import type { Answer, Transport } from "./transport";

/** What anywidget gives us of its model. */
export interface Model {
  get(name: string): unknown;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
  on(name: "msg:custom", heard: (content: Reply, buffers: (DataView | ArrayBuffer)[]) => void): void;
  off(name: "msg:custom", heard: unknown): void;
}

interface Reply {
  id: number;
  status: number;
}

export class Notebook implements Transport {
  private next = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();
  private readonly pictures = new Map<string, Promise<string>>();

  constructor(private readonly model: Model) {
    model.on("msg:custom", this.heard);
  }

  get(path: string): Promise<Answer> {
    return this.ask("GET", path);
  }

  async post(path: string, body: string | Blob): Promise<Answer> {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body).buffer : await body.arrayBuffer();
    return this.ask("POST", path, bytes as ArrayBuffer);
  }

  picture(path: string): Promise<string> {
    const known = this.pictures.get(path);
    if (known) return known;
    const found = this.get(path).then(({ body }) => URL.createObjectURL(new Blob([body], { type: "image/webp" })));
    this.pictures.set(path, found);
    return found;
  }

  /** Forgets the pictures, and hears no more. */
  close(): void {
    this.model.off("msg:custom", this.heard);
    for (const picture of this.pictures.values()) void picture.then((address) => URL.revokeObjectURL(address));
  }

  private ask(method: string, path: string, body?: ArrayBuffer): Promise<Answer> {
    const id = this.next++;
    return new Promise((done) => {
      this.waiting.set(id, done);
      this.model.send({ id, method, path }, undefined, body ? [body] : []);
    });
  }

  private readonly heard = ({ id, status }: Reply, buffers: (DataView | ArrayBuffer)[]) => {
    const [found] = buffers;
    const body = found instanceof DataView ? found.buffer.slice(found.byteOffset, found.byteOffset + found.byteLength) : found;
    this.waiting.get(id)?.({ status, body: (body ?? new ArrayBuffer(0)) as ArrayBuffer });
    this.waiting.delete(id);
  };
}
