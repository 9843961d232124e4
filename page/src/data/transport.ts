/** Where answers come from: a server, a folder of files, or a notebook. The rest of the page does not know which. */

import type { Job, Refusal } from "./types";

/** What came back: a body, or 202 with the job that has to end first. */
export interface Answer {
  status: number;
  body: ArrayBuffer;
}

export interface Transport {
  /** Sends nothing but a path such as "0/component/17". */
  get(path: string, signal?: AbortSignal): Promise<Answer>;
  post(path: string, body: string | Blob): Promise<Answer>;
  /** Told once what the indexes are, by digest. */
  know?(digests: string[]): void;
  /** The address of a picture such as "0/crop/17.webp", for an <img>. */
  picture(path: string): string | Promise<string>;
}

/** A refusal in the server's words, for a person. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** An answer that is not there yet: ask again. */
export class Pending extends Error {
  constructor(readonly job: Job | null) {
    super(job ? `${job.step}: ${job.done} of ${job.total}` : "being computed");
  }
}

const text = new TextDecoder();
const VERSION = 12; // letters of a digest in an address

/** The body of an answer. Throws Pending while it is computed, and Refused with what is wrong. */
export function bodyOf(answer: Answer): ArrayBuffer {
  if (answer.status === 200) return answer.body;
  if (answer.status === 202) throw new Pending(JSON.parse(text.decode(answer.body)));
  let said = `the server answered ${answer.status}`;
  try {
    said = (JSON.parse(text.decode(answer.body)) as Refusal).error ?? said;
  } catch {
    // not one of ours: a proxy's, or the server has gone
  }
  throw new Refused(answer.status, said);
}

/** The same as JSON. */
export function jsonOf<T>(answer: Answer): T {
  return JSON.parse(text.decode(bodyOf(answer))) as T;
}

/** The server that this page came from. */
export class Server implements Transport {
  private digests: string[] = [];

  constructor(private readonly root = "./api/") {}

  async get(path: string, signal?: AbortSignal): Promise<Answer> {
    return this.ask(path, { signal: signal ?? null });
  }

  async post(path: string, body: string | Blob): Promise<Answer> {
    const type = typeof body === "string" ? "application/json" : "application/octet-stream";
    return this.ask(path, { method: "POST", body, headers: { "Content-Type": type } });
  }

  know(digests: string[]): void {
    this.digests = digests;
  }

  /** With the index's digest, so that a browser keeps a crop for ever and never shows it for another index. */
  picture(path: string): string {
    const digest = this.digests[Number(path[0])];
    return `${this.root}${path}${digest ? `?v=${digest.slice(0, VERSION)}` : ""}`;
  }

  private async ask(path: string, how: RequestInit): Promise<Answer> {
    const response = await fetch(this.root + path, how).catch((fault: Error) => {
      if (fault.name === "AbortError") throw fault;
      throw new Refused(0, "The server does not answer: is `semlens serve` still running?");
    });
    return { status: response.status, body: await response.arrayBuffer() };
  }
}
