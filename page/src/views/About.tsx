/** How this index was made: enough to make it again, and to say what it may be used for. */

import { Additions } from "../about/Additions";
import { termsOf } from "../about/licence";
import { Tree } from "../about/Tree";
import { useStore } from "../data/store";
import type { IndexInfo } from "../data/types";
import { counted, dictionaryOf, grouped, percent } from "../ui/words";

export function AboutView() {
  const store = useStore();
  const index = store.index.value;
  const { info } = index;
  return (
    <article class="about">
      <h1>
        About <bdi>{info.name}</bdi>
      </h1>
      <p class="soft">
        A concept index says what each component of a model reacts to: its strongest examples, placed in the space of a foundation model that relates pictures to words.
        Everything that determines it stands here.
      </p>
      <Licence info={info} />
      <section class="panel" aria-label="At a glance">
        <h2>At a glance</h2>
        <Facts info={info} version={store.session.version} />
      </section>
      <section class="panel" aria-label="Layers">
        <h2>Layers</h2>
        <Layers info={info} />
      </section>
      <section class="panel" aria-label="What there is besides">
        <h2>What there is besides</h2>
        <Additions index={index} />
      </section>
      <section class="panel" aria-label="Recipe">
        <details>
          <summary>
            <h2>Recipe</h2> <span class="soft">all that determined what the index holds</span>
          </summary>
          <Tree of={info.recipe} />
        </details>
      </section>
    </article>
  );
}

function Licence({ info }: { info: IndexInfo }) {
  const { licence, name } = info.foundation;
  const terms = termsOf(licence);
  if (terms === "permissive") return null;
  return (
    <section class="panel warning" role="note" aria-label="Licence">
      <h2>{terms === "unknown" ? "The licence of the foundation model is unknown" : "The foundation model’s licence sets terms"}</h2>
      <p>
        Labels, searches and audits of this index rest on <bdi>{name}</bdi>
        {terms === "unknown" ? (
          ", whose source does not say under which licence its weights are. Find out before you use its results outside of research."
        ) : (
          <>
            , whose weights are under <strong>{licence}</strong>. Read its terms before you use its results: some forbid commercial or medical use.
          </>
        )}
      </p>
    </section>
  );
}

function Facts({ info, version }: { info: IndexInfo; version: string }) {
  const dead = info.layers.reduce((sum, one) => sum + one.dead, 0);
  const facts: [string, string][] = [
    ["Studied model", info.model],
    ["Images", `${grouped(info.images.count)} of ${info.images.source}${info.images.unreadable ? `; ${grouped(info.images.unreadable)} could not be read` : ""}`],
    ["Components", `${grouped(info.components)} in ${counted(info.layers.length, "layer")}${dead ? `, of which ${grouped(dead)} ${dead === 1 ? "is" : "are"} dead` : ""}`],
    ["Examples", `up to ${info.k} of each component; cropped by: ${info.crop}`],
    ["Foundation model", `${info.foundation.name}, ${grouped(info.foundation.dimension)} dimensions`],
    ["Its licence", info.foundation.licence || "unknown"],
    ["Its digest", info.foundation.digest],
    ["Digest of the index", info.digest],
    ["Shown by", `semlens ${version}`],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd>
            <bdi>{value}</bdi>
          </dd>
        </>
      ))}
    </dl>
  );
}

function Layers({ info }: { info: IndexInfo }) {
  const { place } = useStore();
  return (
    <>
      <p class="soft">A dead component tells no two images apart: it has no example and is left out everywhere.</p>
      <div class="wide">
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">Layer</th>
              <th scope="col">Kind</th>
              <th scope="col" class="number">
                Components
              </th>
              <th scope="col" class="number">
                Dead
              </th>
              {info.layers.some((one) => dictionaryOf(one.kind)) && (
                <th scope="col" class="number" title="the part of the layer’s variance that the dictionary does not give back (FVU)">
                  Unexplained
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {info.layers.map((one) => (
              <tr key={one.layer}>
                <th scope="row">
                  <a href={place.href([], { layers: one.layer })}>
                    <bdi>{one.layer}</bdi>
                  </a>
                  {one.outputs && <small class="soft"> outputs</small>}
                </th>
                <td>{one.kind}</td>
                <td class="number">{grouped(one.stop - one.start)}</td>
                <td class="number">
                  {grouped(one.dead)} ({percent(one.dead / (one.stop - one.start))})
                </td>
                {info.layers.some((other) => dictionaryOf(other.kind)) && <td class="number">{percent(dictionaryOf(one.kind)?.unexplained)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
