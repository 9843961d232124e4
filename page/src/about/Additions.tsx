/** What there is besides the examples, and what would add the rest. */

import type { ComponentChildren } from "preact";
import type { Indexed } from "../data/indexed";
import type { Loaded } from "../data/load";
import { counted, grouped } from "../ui/words";

export function Additions({ index }: { index: Indexed }) {
  const name = index.info.name;
  const { classes, relevance } = index.info;
  return (
    <ul class="additions" role="list">
      <Addition name="Labels" says="a phrase for each component that fits better than chance" of={index.labels.value} command={`semlens label ${name} --vocabulary FILE --save`}>
        {(labels) => `${grouped(labels.label.reduce((count, at) => count + (at >= 0 ? 1 : 0), 0))} of ${counted(index.count, "component")} have one; at most ${labels.fdr * 100} % of them by chance`}
      </Addition>
      <Addition name="Measures" says="clarity, polysemanticity, redundancy" of={index.scores.value} command={`semlens score ${name} --save`}>
        {() => "of every component and layer, beside chance"}
      </Addition>
      <Addition name="Map" says="all components in two dimensions" of={index.atlas.value} command={`semlens atlas ${name} --save`}>
        {(atlas) => `${counted(atlas.names.length, "cluster")}, drawn by ${atlas.drawing === "umap" ? "UMAP" : "principal components"}`}
      </Addition>
      <Addition
        name="Relevance"
        says="what each component contributes to the model’s outputs"
        of={relevance ? { state: "ready", value: relevance } : { state: "absent", why: "None was computed." }}
        command="semlens build … --classes NAMES --resume"
      >
        {(found) => `for ${counted(classes.length, "class", "classes")}, by ${found.method}, ${images(found.of)}`}
      </Addition>
    </ul>
  );
}

function images(of: string): string {
  return { label: "over the images that are labelled so", predicted: "over the images that are predicted so", all: "over all images" }[of] ?? of;
}

interface AdditionProps<T> {
  name: string;
  says: string;
  of: Loaded<T>;
  command: string;
  children: (value: T) => ComponentChildren;
}

function Addition<T>({ name, says, of, command, children }: AdditionProps<T>) {
  const sign = { ready: "✓", loading: "…", absent: "–" }[of.state];
  return (
    <li class={of.state}>
      <span class="sign" aria-hidden="true">
        {sign}
      </span>
      <div>
        <strong>{name}</strong> <span class="soft">{says}</span>
        <br />
        {of.state === "ready" && children(of.value)}
        {of.state === "loading" && (of.job ? `being computed: ${of.job.step}` : "on the way")}
        {of.state === "absent" && (
          <>
            {of.why}
            <code class="command">{command}</code>
          </>
        )}
      </div>
    </li>
  );
}
