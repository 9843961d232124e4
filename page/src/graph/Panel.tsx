/** All about the node that is pinned: its components, other outputs that it speaks for, what flows in and out. */

import { useState } from "preact/hooks";
import { useStore } from "../data/store";
import type { Graph, GraphLink, GraphNode } from "../data/types";
import { componentHref } from "../ui/links";
import { Icon } from "../ui/Icon";
import { Picture } from "../ui/picture";
import { counted, percent, rounded } from "../ui/words";

const SHOWN = 24; // components, until the reader asks for all

export interface PanelProps {
  graph: Graph;
  node: GraphNode | null;
  onPin(id: string | null): void;
}

export function Panel({ graph, node, onPin }: PanelProps) {
  return (
    <aside class="node-panel" aria-label="The chosen node">
      {node ? <Chosen key={node.id} graph={graph} node={node} onPin={onPin} /> : <Guide graph={graph} />}
    </aside>
  );
}

function Guide({ graph }: { graph: Graph }) {
  return (
    <>
      <h2>How to read it</h2>
      <p>
        A box is a concept: the components of one layer with the same label. Its bar shows <b>relevance</b>, the share of all that speaks for “<bdi>{graph.output}</bdi>” in that layer that comes from them.
      </p>
      <p>Point at a box to see what flows in and out. Choose it, by a click or the Enter key, to see its components here.</p>
      <p class="soft">Means over {counted(graph.images, "image")} of the class.</p>
    </>
  );
}

function Chosen({ graph, node, onPin }: PanelProps & { node: GraphNode }) {
  const into = graph.links.filter((one) => one.target === node.id);
  const out = graph.links.filter((one) => one.source === node.id);
  return (
    <>
      <button type="button" class="bare-button" aria-label="Let go of this node" onClick={() => onPin(null)}>
        <Icon name="clear" />
      </button>
      <h2>
        <bdi>{node.label}</bdi>
      </h2>
      <p class="soft">
        {node.layer ? <bdi>{node.layer}</bdi> : "the output"}
        {node.unlabelled && ", no label fits: look at its examples"}
      </p>
      <dl>
        <dt>speaks for</dt>
        <dd>
          {percent(node.relevance)}
          {node.low !== null && node.high !== null && (
            <span class="soft">
              {" "}
              ({percent(node.low)} – {percent(node.high)})
            </span>
          )}
        </dd>
        <dt>against</dt>
        <dd>{percent(node.against)}</dd>
        {node.affected.map((one) => (
          <>
            <dt>
              also for <bdi>{one.output}</bdi>
            </dt>
            <dd>{percent(one.relevance)}</dd>
          </>
        ))}
      </dl>
      {node.rows.length > 0 && <Components node={node} />}
      <Flows title="Comes in from" links={into} end="source" graph={graph} onPin={onPin} />
      <Flows title="Goes on to" links={out} end="target" graph={graph} onPin={onPin} />
    </>
  );
}

function Components({ node }: { node: GraphNode }) {
  const store = useStore();
  const index = store.index.value;
  const [all, setAll] = useState(false);
  const shown = all ? node.rows : node.rows.slice(0, SHOWN);
  const select = () => {
    store.select(node.rows);
    store.told.value = `${counted(node.rows.length, "component")} selected: every view shows only these`;
  };
  return (
    <section>
      <h3>{counted(node.rows.length, "component")}</h3>
      <ul class="thumbs">
        {shown.map((row) => (
          <li key={row}>
            <a href={componentHref(store, index, row)} title={index.id(row)} onMouseEnter={() => (store.pointed.value = { index: index.number, row })} onMouseLeave={() => (store.pointed.value = null)}>
              <Picture path={index.base.crop[row]! < 0 ? null : index.at(`crop/${index.base.crop[row]}.webp`)} alt="" />
              <bdi>{index.id(row)}</bdi>
            </a>
          </li>
        ))}
      </ul>
      {shown.length < node.rows.length && (
        <button type="button" class="button" onClick={() => setAll(true)}>
          Show all {node.rows.length}
        </button>
      )}
      <button type="button" class="button" onClick={select}>
        Select these components
      </button>
    </section>
  );
}

function Flows({ title, links, end, graph, onPin }: { title: string; links: GraphLink[]; end: "source" | "target"; graph: Graph; onPin(id: string): void }) {
  if (!links.length) return null;
  const most = Math.max(...links.map((one) => Math.abs(one.weight)), 1e-12);
  return (
    <section>
      <h3>{title}</h3>
      <ul class="flows">
        {links.map((link) => {
          const other = graph.nodes.find((one) => one.id === link[end]);
          const sign = link.weight >= 0 ? "for" : "against";
          return (
            <li key={link[end]}>
              <button type="button" onClick={() => onPin(link[end])}>
                <bdi>{other?.label ?? link[end]}</bdi>
                <span class={`weight ${sign}`}>
                  {sign === "for" ? "+" : "−"}
                  {rounded(Math.abs(link.weight), 3)}
                </span>
                <span class={`stroke ${sign}`} style={{ width: `${(100 * Math.abs(link.weight)) / most}%` }} />
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
