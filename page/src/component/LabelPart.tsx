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
  const encoded = label.by === "encoding";
  const value = (one: { alignment: number | null; z: number | null }) => (encoded ? one.z : one.alignment) ?? 0;
  const fits = [{ label: label.best, alignment: label.alignment, z: label.z }, ...label.runners_up];
  const top = Math.max(0.01, ...fits.map(value));
  return (
    <>
      {label.label === null ? (
        <p>
          <strong>No label: chance fits as well.</strong> The nearest phrase is “<bdi>{label.best}</bdi>”, but {chance(label.p_value, encoded)} some phrase as well as that.
        </p>
      ) : (
        <p>
          <strong class="label-word">
            <bdi>{label.label}</bdi>
          </strong>
          {capital(chance(label.p_value, encoded, ""))} some phrase as well as that.
        </p>
      )}
      {label.remark && <p class="remark">{capital(label.remark)}.</p>}
      {label.stability !== null && (
        <p class="soft">It stays ahead of the others in {percent(label.stability)} of trials in which the examples are drawn anew.</p>
      )}
      {encoded && label.r2 !== null && <p class="soft">{explained(label.r2)}</p>}
      <table class="bars">
        {encoded ? (
          <caption title="Effect of the phrase over all images, all else equal, by its standard error if nothing were related">How far beyond chance it responds to phrases over all images (z); 2 is what chance often reaches for one phrase</caption>
        ) : (
          <caption title="Cosine similarity to the phrase, less the mean of random components">How well phrases align; the label is the one that exceeds chance most</caption>
        )}
        <tbody>
          {fits.map((one, at) => (
            <tr key={one.label} class={at === 0 ? "first" : ""}>
              <th scope="row">
                <bdi>{one.label}</bdi>
              </th>
              <td>
                <span class="bar">
                  <span class="fill" style={{ width: `${(100 * Math.max(0, value(one))) / top}%` }} />
                </span>
              </td>
              <td class="value">{rounded(value(one), encoded ? 1 : 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** A p-value in words: "1 in 4,000 random components fits". */
function chance(p: number, encoded: boolean, about = "about "): string {
  const often = oneIn(p);
  const what = encoded ? "components with permuted activations" : "random components";
  return often === "most" ? `most ${what} fit` : `${about}${often} ${what} fits`;
}

/** How much of the activation the foundation model can explain, in words. */
function explained(r2: number): string {
  if (r2 < 0.02) return "The foundation model sees next to nothing of what it responds to: trust no phrase for it.";
  return `The foundation model explains ${percent(r2)} of its activation on images left out.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
