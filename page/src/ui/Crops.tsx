/** The strongest examples of a component: the first at once, the others when the card has stayed in view a moment. */

import { useEffect, useState } from "preact/hooks";
import type { Indexed } from "../data/indexed";
import { Picture } from "./picture";
import { queued } from "./queue";

const PAUSE = 120; // milliseconds in view before more is asked for

export function Crops({ index, row, count }: { index: Indexed; row: number; count: number }) {
  const [, redraw] = useState(0);
  const first = index.base.crop[row]!;
  const most = Math.min(count, index.base.examples[row]!);
  useEffect(() => {
    if (index.known(row) || most < 2) return;
    let off = () => {};
    const fetch = () => index.component(row).then(() => redraw((times) => times + 1), () => {});
    const timer = setTimeout(() => (off = queued(fetch)), PAUSE);
    return () => (clearTimeout(timer), off());
  }, [index, row]);
  const crops = index.known(row)?.examples.map((one) => one.crop) ?? (first < 0 ? [] : [first]);
  return (
    <span class={`crops of-${count}`}>
      {Array.from({ length: most }, (_, at) => (
        <Picture key={at} path={crops[at] === undefined ? null : index.at(`crop/${crops[at]}.webp`)} alt="" />
      ))}
    </span>
  );
}
