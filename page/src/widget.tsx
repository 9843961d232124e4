/** The page in a notebook's cell, as anywidget shows it. */

import { type Model, Notebook } from "./data/notebook";
import { ownPlace } from "./data/place";
import { mount } from "./mount";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const root = document.createElement("div");
  root.className = "semlens cell";
  root.style.height = `${String(model.get("height"))}px`;
  el.append(root);
  const transport = new Notebook(model);
  const place = ownPlace();
  // The cell has no address bar of its own: a link that leads to another view stays in the cell.
  root.addEventListener("click", (event) => {
    const link = (event.target as Element).closest?.('a[href^="#/"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    place.open(link.getAttribute("href")!);
  });
  const unmount = mount(root, transport, place);
  return () => {
    unmount();
    transport.close();
  };
}

export default { render };
