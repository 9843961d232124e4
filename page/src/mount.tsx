/** Puts the page into an element, over whatever answers. */

import { render } from "preact";
import type { Place } from "./data/place";
import { StoreProvider, openStore } from "./data/store";
import type { Transport } from "./data/transport";
import { App } from "./ui/App";
import "./style/index.css";

/** Shows the page in `root`, or what is wrong. What comes back takes it away. */
export function mount(root: HTMLElement, transport: Transport, place: Place): () => void {
  openStore(transport, place).then(
    (store) => {
      root.replaceChildren();
      render(
        <StoreProvider value={store}>
          <App />
        </StoreProvider>,
        root,
      );
    },
    (fault: Error) => root.replaceChildren(Object.assign(document.createElement("p"), { className: "bare", textContent: fault.message })),
  );
  return () => render(null, root);
}
