/** Where the reader is: a view and its parameters, all of it in the URL, so that back, forward and sharing work. */

import { type ReadonlySignal, signal } from "@preact/signals";

export interface Route {
  path: string[]; // ["m", "resnet50", "layer4", "17"]; [] is the start
  params: URLSearchParams;
}

export type Changes = Record<string, string | number | null | undefined>;

export interface Place {
  readonly route: ReadonlySignal<Route>;
  /** The address of a view, for an <a>: with the reader's filters, then the changes; null takes a parameter away. */
  href(path: string[], changes?: Changes): string;
  /** Goes there; a new step in the history unless `replace`. */
  go(path: string[], changes?: Changes, replace?: boolean): void;
  /** Goes to an address that `href` gave. */
  open(address: string): void;
  /** Changes parameters of the present view. */
  set(changes: Changes, replace?: boolean): void;
}

/** Parameters that hold in every view; others belong to the one that set them. */
const LASTING = ["i", "q", "image", "layers", "words", "cluster", "tag", "sel", "class"];

function parse(text: string): Route {
  const [path = "", query = ""] = text.replace(/^#?\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { path: parts, params: new URLSearchParams(query) };
}

function write(path: string[], params: URLSearchParams): string {
  const query = params.toString().replace(/%2C/g, ",").replace(/%3A/g, ":");
  return `#/${path.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

function changed(params: URLSearchParams, changes: Changes): URLSearchParams {
  const found = new URLSearchParams(params);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") found.delete(key);
    else found.set(key, String(value));
  }
  return found;
}

function lasting(params: URLSearchParams): URLSearchParams {
  return new URLSearchParams([...params].filter(([key]) => LASTING.includes(key)));
}

/** A place kept by `store` and `read`: the address bar's, or a notebook cell's own. */
function placed(read: () => string, store: (text: string, replace: boolean) => void): Place & { update(): void } {
  const route = signal(parse(read()));
  const update = () => {
    route.value = parse(read());
  };
  const go = (path: string[], changes: Changes = {}, replace = false) => {
    const same = path.join("/") === route.peek().path.join("/");
    const params = same ? route.peek().params : lasting(route.peek().params);
    store(write(path, changed(params, changes)), replace);
    update();
  };
  return {
    route,
    update,
    go,
    open: (address) => {
      store(address, false);
      update();
    },
    href: (path, changes = {}) => write(path, changed(lasting(route.value.params), changes)),
    set: (changes, replace = false) => go(route.peek().path, changes, replace),
  };
}

/** The address bar's hash. */
export function addressBar(): Place {
  const place = placed(
    () => location.hash,
    (text, replace) => history[replace ? "replaceState" : "pushState"](null, "", text),
  );
  addEventListener("popstate", place.update);
  addEventListener("hashchange", place.update);
  return place;
}

/** A place of its own, for a page inside another one. Links go to the hash of the outer page: take their clicks. */
export function ownPlace(start = ""): Place {
  let now = start;
  return placed(
    () => now,
    (text) => {
      now = text;
    },
  );
}
