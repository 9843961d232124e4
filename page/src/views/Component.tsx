/** All about one component, at an address of its own: m / index / layer / unit. */

import { Activation } from "../component/Activation";
import { ClassBars } from "../component/ClassBars";
import { Examples } from "../component/Examples";
import { Judgement } from "../component/Judgement";
import { LabelPart } from "../component/LabelPart";
import { Measures } from "../component/Measures";
import { Levels } from "../component/Levels";
import { RemovedPart } from "../component/Removed";
import { Near } from "../component/Near";
import { Steps } from "../component/Steps";
import { useComponent } from "../component/useComponent";
import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import type { Component } from "../data/types";
import { Await } from "../ui/Await";
import { about } from "../ui/links";
import { brief, dictionaryOf, grouped, percent } from "../ui/words";

export function ComponentView() {
  const store = useStore();
  const index = store.index.value;
  const [, name = "", layer = "", unit = ""] = store.place.route.value.path;
  const row = name === index.info.name && /^\d+$/.test(unit) ? index.row(layer, Number(unit)) : -1;
  if (row < 0) return <Unknown name={name} component={`${layer}:${unit}`} />;
  return <Known key={`${index.number} ${row}`} index={index} row={row} />;
}

function Unknown({ name, component }: { name: string; component: string }) {
  const store = useStore();
  return (
    <div class="component">
      <h1>There is no such component</h1>
      <p>
        No index here has <bdi>{component}</bdi> under the name <bdi>{name}</bdi>. <a href={store.place.href([], about(store, store.index.value))}>See all components</a>
      </p>
    </div>
  );
}

function Known({ index, row }: { index: Indexed; row: number }) {
  const store = useStore();
  const found = useComponent(index, row);
  return (
    <article class="component">
      <Steps index={index} row={row} />
      <Head index={index} row={row} />
      <div class="component-body">
        <div class="main-column">
          <Await of={found} what="Component">
            {(component) => (component.dead ? <Dead component={component} /> : <Examples index={index} found={component} />)}
          </Await>
          {found.state === "ready" && !found.value.dead && <Levels index={index} levels={found.value.levels} images={found.value.images} />}
          {found.state === "ready" && !found.value.dead && <Near index={index} found={found.value} />}
        </div>
        <div class="side-column">
          {store.session.can.annotate && <Judgement index={index} row={row} />}
          {found.state === "ready" && !found.value.dead && (
            <>
              <LabelPart index={index} label={found.value.label} />
              <ClassBars index={index} relevance={found.value.relevance} />
              <RemovedPart index={index} row={row} />
              <Measures index={index} row={row} />
            </>
          )}
          {found.state === "ready" && <Activation index={index} found={found.value} />}
        </div>
      </div>
    </article>
  );
}

function Head({ index, row }: { index: Indexed; row: number }) {
  const layer = index.info.layers[index.base.layer[row]!]!;
  const dictionary = dictionaryOf(layer.kind);
  const title = index.title(row);
  const id = index.id(row);
  const name = index.names.get(row);
  const tag = index.tag(row);
  return (
    <header class="component-head">
      <h1>
        <bdi>{brief(title)}</bdi> {tag && <span class={`tag ${tag}`}>{tag}</span>}
      </h1>
      <p class="soft">
        {title !== id && (
          <>
            <bdi>{brief(id)}</bdi>:{" "}
          </>
        )}
        unit {row - layer.start} of the {grouped(layer.stop - layer.start)} {dictionary ? "latents of a dictionary: layer " : `${layer.kind} of layer `}
        <bdi>{layer.layer}</bdi>
        {dictionary && Number.isFinite(dictionary.unexplained) && `, of whose variance it leaves ${percent(dictionary.unexplained)} unexplained`}
        {dictionary && `; ${percent(layer.dead / (layer.stop - layer.start))} of its latents never fire, this one on ${percent(index.base.fired[row])} of the images`}
        {layer.outputs && ", the model’s outputs"}
        {name && name === title && index.label(row) && index.label(row) !== name && (
          <>
            ; what it responds to most: “<bdi>{index.label(row)}</bdi>”
          </>
        )}
        {name && name !== title && (
          <>
            ; the model itself calls it “<bdi>{name}</bdi>”
          </>
        )}
      </p>
    </header>
  );
}

function Dead({ component }: { component: Component }) {
  return (
    <section class="dead" aria-label="Dead component">
      <h2>This component is dead</h2>
      <p>
        It tells none of the {component.images.toLocaleString("en-GB")} images apart: {component.fired ? "its activation is the same on all of them" : "it fires on none of them"}
        {component.nan > 0 && `; on ${component.nan.toLocaleString("en-GB")} its activation is not a number`}. So it has no examples, no label and no place on the map.
      </p>
    </section>
  );
}
