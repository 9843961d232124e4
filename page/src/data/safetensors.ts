/** Arrays as the server sends them: 8 bytes of header length, a JSON header, the data (the safetensors format). */

export type Numbers = Float32Array | Int32Array | Uint8Array;

export interface Arrays {
  arrays: Record<string, Numbers>;
  metadata: Record<string, string>;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const KINDS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

/** The arrays of a body; each is a view where its place allows it, else a copy. Throws where a dtype is unknown. */
export function unpack(body: ArrayBuffer): Arrays {
  const length = Number(new DataView(body).getBigUint64(0, true));
  const header: Record<string, unknown> = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 8, length)));
  const { __metadata__: about, ...entries } = header as { __metadata__?: { told?: string } };
  const metadata: Record<string, string> = JSON.parse(about?.told ?? "{}");
  const arrays: Record<string, Numbers> = {};
  for (const [name, entry] of Object.entries(entries as Record<string, Entry>)) {
    const Kind = KINDS[entry.dtype as keyof typeof KINDS];
    if (!Kind) throw new Error(`array ${name} is of kind ${entry.dtype}, which this page does not read`);
    const [start, stop] = entry.data_offsets.map((at) => at + 8 + length) as [number, number];
    arrays[name] = new Kind(body.slice(start, stop));
  }
  return { arrays, metadata };
}
