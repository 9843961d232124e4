/** What the component is about, how sure that is, and what comes next. */

import type { Indexed } from "../data/indexed";
import { Waiting } from "../ui/Await";
import type { LabelDetail } from "../data/types";
import { oneIn, percent, rounded } from "../ui/words";

export function LabelPart({ index, label }: { index: Indexed; label: LabelDetail | null }) {
  const labels = index.labels.value;
  return (
    <section class="panel label-part" aria-label="Label">
      <h2>Label</h2>
      {label ? <Detail label={label} /> : labels.state === "loading" ? <Waiting what="Labels" job={labels.job} /> : <p class="absent">{labels.state === "absent" ? labels.why : "There is no label for it."}</p>}
    </section>
  );
}

function Detail({ label }: { label: LabelDetail }) {
  const fits = [{ label: label.best, alignment: label.alignment }, ...label.runners_up];
  const top = Math.max(0.01, ...fits.map((one) => one.alignment));
  return (
    <>
      {label.label === null ? (
        <p>
          <strong>No label: chance fits as well.</strong> The nearest phrase is “<bdi>{label.best}</bdi>”, but {chance(label.p_value)} some phrase as well as that.
        </p>
      ) : (
        <p>
          <strong class="label-word">
            <bdi>{label.label}</bdi>
          </strong>
          {chance(label.p_value, true)} some phrase as well as that.
        </p>
      )}
      {label.stability !== null && (
        <p class="soft">It stays ahead of the others in {percent(label.stability)} of trials in which the examples are drawn anew.</p>
      )}
      <table class="bars">
        <caption title="Cosine similarity to the phrase, less the mean of random components">
          How well phrases align; the label is the one that exceeds chance most
        </caption>
        <tbody>
          {fits.map((one, at) => (
            <tr key={one.label} class={at === 0 ? "first" : ""}>
              <th scope="row">
                <bdi>{one.label}</bdi>
              </th>
              <td>
                <span class="bar">
                  <span class="fill" style={{ width: `${(100 * Math.max(0, one.alignment)) / top}%` }} />
                </span>
              </td>
              <td class="value">{rounded(one.alignment)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** A p-value in words: "1 in 4,000 random components fits". */
function chance(p: number, start = false): string {
  const often = oneIn(p);
  if (often === "most") return `${start ? "Most" : "most"} random components fit`;
  return `${start ? "" : "about "}${often} random components fits`;
}
