/** The components of a layer that moved the output most and those that fire most, each with where it looks. */

import type { Indexed } from "../data/indexed";
import { useStore } from "../data/store";
import { asked } from "../ui/imageQuery";
import { componentHref } from "../ui/links";
import { Picture } from "../ui/picture";
import { brief, percent, short } from "../ui/words";
import { type LayerInfo, Off } from "./Drivers";
import { type Own, firing, moving } from "./figures";
import { HeatOver } from "./HeatOver";
import { rowsOf } from "./rows";

const SHOWN = 6;

export interface ComponentsProps {
  index: Indexed;
  image: string;
  own: Own;
  layer: LayerInfo;
  off: readonly number[];
  toggle(rows: number[]): void;
}

export function Components(props: ComponentsProps) {
  const { index, own, layer } = props;
  const alive = rowsOf(layer).filter((row) => !index.base.dead[row]);
  const moved = moving(own.relevance, alive, SHOWN).map((row) => ({ row, says: `${own.relevance[row]! < 0 ? "against it" : "for it"}: ${percent(Math.abs(own.relevance[row]!))} of the layer` }));
  const fire = firing(own.activations, index.base.strongest, alive, SHOWN).map(({ row, part }) => ({ row, says: `activation ${short(own.activations[row]!)}: ${percent(part)} of its strongest example` }));
  return (
    <>
      <List {...props} title="Components that moved it most" says={moved} none="None of this layer’s components moved it." />
      <List {...props} title="Components that fire most" says={fire} none="None of this layer’s components fires." />
    </>
  );
}

function List({ index, image, own, off, toggle, title, says, none }: ComponentsProps & { title: string; says: { row: number; says: string }[]; none: string }) {
  const store = useStore();
  const plain = asked.value?.id === image ? asked.value.address : null;
  return (
    <section class="own-components" aria-label={title}>
      <h2>{title}</h2>
      {!says.length && <p class="none">{none}</p>}
      <p class="soft">On the left what each reacts to most in the index, on the right where in your picture its activation comes from.</p>
      <ul role="list">
        {says.map((one) => {
          const crop = index.base.crop[one.row]!;
          return (
            <li key={one.row} class={off.includes(one.row) ? "is-off" : ""}>
              <span class="pair">
                <Picture path={crop < 0 ? null : index.at(`crop/${crop}.webp`)} alt="" />
                <HeatOver index={index} image={image} output={own.output} row={one.row} plain={plain} />
              </span>
              <a href={componentHref(store, index, one.row)}>
                <bdi>{brief(index.title(one.row))}</bdi>
              </a>
              <small class="soft">
                <bdi>{brief(index.id(one.row))}</bdi>
              </small>
              <small>{one.says}</small>
              <Off rows={[one.row]} of={index.id(one.row)} off={off} toggle={toggle} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}
