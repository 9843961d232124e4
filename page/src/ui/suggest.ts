/** What the reader may mean while typing: labels and the model's own names that match, known without asking. */

import type { Indexed } from "../data/indexed";

export interface Suggestion {
  text: string;
  rows: number; // how many components are called so
  row: number; // the first of them
}

interface Entry extends Suggestion {
  lower: string;
}

const MOST = 8;
const catalogues = new WeakMap<Indexed, { labels: unknown; mine: unknown; entries: Entry[] }>();

/** The best matches: those that begin with the text, then those in which a word does, then the others. */
export function suggest(index: Indexed, text: string): Suggestion[] {
  const typed = text.trim().toLowerCase();
  if (!typed) return [];
  const ranks: Entry[][] = [[], [], []];
  for (const entry of catalogue(index)) {
    const at = entry.lower.indexOf(typed);
    if (at < 0) continue;
    ranks[at === 0 ? 0 : /\W/.test(entry.lower[at - 1]!) ? 1 : 2]!.push(entry);
  }
  const named = byId(index, typed);
  return [...named, ...ranks.flat()].slice(0, MOST);
}

/** layer:unit, written out. */
function byId(index: Indexed, typed: string): Suggestion[] {
  const colon = typed.lastIndexOf(":");
  const layer = index.info.layers.find((one) => one.layer.toLowerCase() === typed.slice(0, colon));
  const row = layer && /^\d+$/.test(typed.slice(colon + 1)) ? index.row(layer.layer, Number(typed.slice(colon + 1))) : -1;
  return row < 0 ? [] : [{ text: index.id(row), rows: 1, row }];
}

function catalogue(index: Indexed): Entry[] {
  const labels = index.labels.value;
  const mine = index.annotations.value;
  const known = catalogues.get(index);
  if (known?.labels === labels && known.mine === mine) return known.entries;
  const found = new Map<string, Entry>();
  const add = (text: string | null | undefined, row: number) => {
    if (!text || index.base.dead[row]) return;
    const entry = found.get(text);
    if (entry) entry.rows++;
    else found.set(text, { text, lower: text.toLowerCase(), rows: 1, row });
  };
  for (let row = 0; row < index.count; row++) {
    const label = index.label(row);
    const name = index.names.get(row);
    add(label, row);
    if (name !== label) add(name, row);
  }
  const entries = [...found.values()].sort((a, b) => b.rows - a.rows || (a.lower < b.lower ? -1 : 1));
  catalogues.set(index, { labels, mine, entries });
  return entries;
}
