/** The frame around every view: what is looked at, the search, the views, the reader's filters. */

import type { FunctionComponent } from "preact";
import { useStore } from "../data/store";
import { AuditView } from "../views/Audit";
import { AboutView } from "../views/About";
import { CompareView } from "../views/Compare";
import { ComponentView } from "../views/Component";
import { ExploreView } from "../views/Explore";
import { GraphView } from "../views/Graph";
import { TableView } from "../views/Table";
import { Filters } from "./Filters";
import { Header } from "./Header";
import { Told } from "./Told";

export const VIEWS: { path: string; name: string; view: FunctionComponent; says: string }[] = [
  { path: "", name: "Explore", view: ExploreView, says: "search, and a map of all components" },
  { path: "table", name: "Table", view: TableView, says: "every component with its measures" },
  { path: "audit", name: "Audit", view: AuditView, says: "does it rely on what it should?" },
  { path: "graph", name: "Graph", view: GraphView, says: "how a class comes about" },
  { path: "compare", name: "Compare", view: CompareView, says: "what two models, or two layers, share" },
  { path: "about", name: "About", view: AboutView, says: "how this index was made" },
];

export function App() {
  const store = useStore();
  const [first = ""] = store.place.route.value.path;
  const View = first === "m" ? ComponentView : (VIEWS.find((one) => one.path === first)?.view ?? ExploreView);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => (event.preventDefault(), document.getElementById("content")?.focus())}>
        Skip to the content
      </a>
      <Header />
      <Filters />
      <main id="content" tabIndex={-1}>
        <View />
      </main>
      <Told />
    </>
  );
}
