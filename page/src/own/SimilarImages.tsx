/** The images of the index that are most like the picture, to the foundation model. */

import type { Indexed } from "../data/indexed";
import { Await } from "../ui/Await";
import { Picture } from "../ui/picture";
import { rounded } from "../ui/words";
import { useSimilar } from "./ask";

export function SimilarImages({ index, image }: { index: Indexed; image: string }) {
  const found = useSimilar(index, image);
  return (
    <section class="own-similar" aria-label="Similar images">
      <h2>Similar images of the index</h2>
      <p class="soft">Crops that the foundation model places nearest to your picture, one of an image, with their cosine similarity.</p>
      {found && (
        <Await of={found} what="Similar images">
          {(images) => (
            <ul class="example-list" role="list">
              {images.map((one) => (
                <li key={one.image} class="level" title={one.name}>
                  <Picture path={index.at(`crop/${one.crop}.webp`)} alt={one.name} />
                  <span class="example-words">
                    <span class="value">{rounded(one.similarity)}</span>
                    {one.label && <bdi class="soft">{one.label}</bdi>}
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Await>
      )}
    </section>
  );
}
