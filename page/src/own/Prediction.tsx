/** What the model predicts for the picture; a click explains another output. */

import { grouped, percent, rounded } from "../ui/words";
import { type Own, ranked, softmax } from "./figures";

const SHOWN = 5;

export function Prediction({ own, choose }: { own: Own; choose(output: number): void }) {
  const chances = softmax(own.logits);
  const one = own.logits.length === 1;
  const shown = ranked(own.logits, SHOWN);
  if (!shown.includes(own.output)) shown.push(own.output);
  return (
    <section class="panel" aria-label="Prediction">
      <h2>
        {one ? "Output" : "Predicted: "}
        {!one && <bdi>{own.names[shown[0]!]}</bdi>}
      </h2>
      <table class="bars">
        <thead>
          <tr>
            <th scope="col">Output</th>
            <td>{!one && "chance, as softmax gives it"}</td>
            <td class="value">{one ? "" : "chance · "}logit</td>
          </tr>
        </thead>
        <tbody>
          {shown.map((at) => (
            <tr key={at} class={at === own.output ? "first" : ""}>
              <th scope="row">
                <button type="button" class="link" aria-pressed={at === own.output} title="Explain this output" onClick={() => choose(at)}>
                  <bdi>{own.names[at]}</bdi>
                </button>
              </th>
              <td class="drawn-in" title={one ? "" : percent(chances[at])}>
                {!one && (
                  <span class="bar">
                    <span class="fill" style={{ width: `${100 * chances[at]!}%` }} />
                  </span>
                )}
              </td>
              <td class="value">
                {!one && `${percent(chances[at])} · `}
                {rounded(own.logits[at])}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="soft">
        {own.logits.length > shown.length && `The highest of ${grouped(own.logits.length)} outputs. `}Explained below: “<bdi>{own.names[own.output]}</bdi>”; press another to explain that one.
      </p>
      {own.warnings.map((line) => (
        <p key={line} class="remark">
          {line}
        </p>
      ))}
    </section>
  );
}
