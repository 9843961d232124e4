/** The frame around every view: what is looked at, the search, the views, the reader's filters. */

import { useStore } from "../data/store";
import { ComponentView } from "../views/Component";
import { ExploreView } from "../views/Explore";
import { VIEWS } from "../views/views";
import { Filters } from "./Filters";
import { Header } from "./Header";
import { Told } from "./Told";

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
