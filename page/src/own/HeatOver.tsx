/** A heat map over the reader's picture; the picture itself until it is there. */

import type { Indexed } from "../data/indexed";
import { useHeatOver } from "./ask";

export interface HeatOverProps {
  index: Indexed;
  image: string;
  output: number;
  row: number | null; // of a component; null: of the output
  plain: string | null; // the address of the picture, if this page still has it
  says?: string;
}

export function HeatOver({ index, image, output, row, plain, says }: HeatOverProps) {
  const heat = useHeatOver(index, image, output, row);
  const source = heat ?? plain;
  return (
    <figure class="heat-over" aria-busy={heat === undefined}>
      {source ? <img class="own-picture" src={source} alt={heat ? (says ?? "Heat map over your picture") : "Your picture"} /> : <span class="own-picture" />}
      {says && <figcaption class="soft">{heat === undefined ? "Computing a heat map …" : heat === null ? "There is no heat map." : says}</figcaption>}
    </figure>
  );
}
