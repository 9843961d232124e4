/** How to read the graph, below it and in every file of it. */

import { wide } from "../table/fitted";

const ENTRIES = [
  { kind: "for", text: "speaks for" },
  { kind: "against", text: "speaks against" },
  { kind: "wider", text: "wider: more passes" },
  { kind: "unlabelled", text: "no label fits" },
  { kind: "others", text: "all others of a layer" },
] as const;

const STEP = (text: string) => 60 + wide(text, 12);
export const LEGEND = 16 + ENTRIES.reduce((sum, one) => sum + STEP(one.text), 0); // its width

export function Legend({ y }: { y: number }) {
  let x = 16;
  return (
    <g class="legend" transform={`translate(0 ${y})`} aria-hidden="true">
      {ENTRIES.map(({ kind, text }) => {
        const here = x;
        x += STEP(text);
        return (
          <g key={kind} transform={`translate(${here} 0)`}>
            {kind === "for" || kind === "against" ? (
              <path class={`edge ${kind}`} d="M0 0h30" stroke-width={4} />
            ) : kind === "wider" ? (
              <path class="wedge" d="M0 -1l30 -5v12l-30 -5z" />
            ) : (
              <g class={`node ${kind}`}>
                <rect class="box" x={0} y={-8} width={30} height={16} rx={4} />
              </g>
            )}
            <text class="small" x={38} y={4}>
              {text}
            </text>
          </g>
        );
      })}
    </g>
  );
}
