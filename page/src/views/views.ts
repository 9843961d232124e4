/** The views, in the order in which the header lists them. */

import type { FunctionComponent } from "preact";
import { AuditView } from "./Audit";
import { AboutView } from "./About";
import { CompareView } from "./Compare";
import { ExploreView } from "./Explore";
import { GraphView } from "./Graph";
import { PictureView } from "./Picture";
import { TableView } from "./Table";

export const VIEWS: { path: string; name: string; view: FunctionComponent; says: string }[] = [
  { path: "", name: "Explore", view: ExploreView, says: "search, and a map of all components" },
  { path: "table", name: "Table", view: TableView, says: "every component with its measures" },
  { path: "picture", name: "Your picture", view: PictureView, says: "what the model makes of a picture of yours" },
  { path: "audit", name: "Audit", view: AuditView, says: "does it rely on what it should?" },
  { path: "graph", name: "Graph", view: GraphView, says: "how a class comes about" },
  { path: "compare", name: "Compare", view: CompareView, says: "what two models, or two layers, share" },
  { path: "about", name: "About", view: AboutView, says: "how this index was made" },
];
