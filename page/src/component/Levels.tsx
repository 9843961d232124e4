/** Images from lower levels of activation, beside the strongest: what it does on the others. */

import type { Indexed } from "../data/indexed";
import type { Level } from "../data/types";
import { Picture } from "../ui/picture";
import { counted } from "../ui/words";

export function Levels({ index, levels, images }: { index: Indexed; levels: readonly Level[]; images: number }) {
  if (!levels.length) return null;
  return (
    <section class="levels" aria-label="Lower levels">
      <h2>At lower levels</h2>
      <p class="soft says">Whole images at lower levels of its activation: what a label says should be on those near the top, and need not be on the one in the middle.</p>
      <ul class="example-list" role="list">
        {levels.map((one) => (
          <li key={one.quantile}>
            <figure class="level" title={one.name}>
              <Picture path={index.at(`kept/${one.image}.webp`)} alt={[one.name, one.label].filter(Boolean).join(", ")} />
              <figcaption class="example-words">
                {level(one.quantile, images)}
                {one.label && <bdi class="soft">{one.label}</bdi>}
              </figcaption>
            </figure>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** A quantile in words: "exceeded by 1 in 10 images". */
function level(quantile: number, images: number): string {
  if (quantile === 0.5) return "in the middle";
  const above = Math.round(100 * (1 - quantile));
  return above > 0 ? `top ${above} %` : `top ${counted(Math.max(1, Math.round(images * (1 - quantile))), "image")}`;
}
