// Functions of numbers and texts, and what a copy in files answers. Run by `npm test`.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createServer } from "vite";

const server = await createServer({ configFile: false, server: { middlewareMode: true, hmr: false, ws: false, watch: null }, optimizeDeps: { noDiscovery: true }, logLevel: "error" });
const { byLabel, firing, moving, ranked, softmax } = await server.ssrLoadModule("/src/own/figures.ts");
const { brief, dictionaryOf, percent } = await server.ssrLoadModule("/src/ui/words.ts");
const { fitting, outputAt } = await server.ssrLoadModule("/src/graph/layout.ts");
const { Files } = await server.ssrLoadModule("/src/data/files.ts");
after(() => server.close());

test("softmax adds up to one, whatever the size of the logits", () => {
  assert.deepEqual(softmax([0, 0]), [0.5, 0.5]);
  const [most, least] = softmax([1000, 998]);
  assert.ok(Math.abs(most + least - 1) < 1e-12);
  assert.ok(Math.abs(most / least - Math.exp(2)) < 1e-9);
});

test("outputs are ranked, equal ones in their order", () => assert.deepEqual(ranked([1, 3, 3, 2], 3), [1, 2, 3]));

test("components add up by label, for less against", () => {
  const labels = ["ruler", null, "ruler", "ink", "hair"];
  const found = byLabel([0.2, 0.1, -0.5, 0.15, 0], [0, 1, 2, 3, 4], (row) => labels[row]);
  assert.deepEqual(found.map(({ label, rows }) => [label, rows]), [["ruler", [2, 0]], ["ink", [3]], ["", [1]]]);
  assert.ok(Math.abs(found[0].net + 0.3) < 1e-12);
});

test("what fires is a part of its strongest example, and what does not is left out", () => {
  const found = firing([1, 3, -1, 2, 5], [2, 3, 1, 0, NaN], [0, 1, 2, 3, 4], 9);
  assert.deepEqual(found, [{ row: 1, part: 1 }, { row: 0, part: 0.5 }]);
});

test("what moves the output is ranked by size, not by sign", () => assert.deepEqual(moving([0.1, -0.4, 0, 0.4], [0, 1, 2, 3], 3), [1, 3, 0]));

test("no share below one is told as all", () => {
  assert.equal(percent(0.9996), "99.9 %");
  assert.equal(percent(1), "100 %");
  assert.equal(percent(0.004), "0.4 %");
});

test("of a dictionary's file only the name is shown", () => {
  assert.equal(brief("blocks.2@dictionary:/a b/c/dict.safetensors:11"), "blocks.2@dict:11");
  assert.equal(brief("blocks.2@dictionary:C:\\a\\dict.safetensors"), "blocks.2@dict");
  assert.equal(brief("layer4:17"), "layer4:17");
  assert.equal(brief("layer4@cls"), "layer4@cls");
});

test("a kind says what a dictionary leaves unexplained", () => {
  assert.deepEqual(dictionaryOf("dictionary 5fba627820fb96cb, FVU 0.057"), { unexplained: 0.057 });
  assert.ok(Number.isNaN(dictionaryOf("dictionary 5fba627820fb96cb").unexplained));
  assert.equal(dictionaryOf("channels"), null);
});

test("a drawing is fitted in both directions", () => {
  assert.equal(fitting({ width: 500, height: 100 }, { width: 1000, height: 400 }, 0.1), 0.25);
  assert.equal(fitting({ width: 500, height: 100 }, { width: 1000, height: 400 }, 0.85), 0.85);
  assert.equal(fitting({ width: 5000, height: 1000 }, { width: 1000, height: 400 }, 0.1), 1);
  assert.deepEqual(outputAt({ ranks: [[{ x: 0, y: 0, wide: 1, high: 1 }], [{ x: 10, y: 20, wide: 6, high: 4 }]] }), { x: 13, y: 22 });
});

test("a copy in files answers for the layers that it holds and for no others", async () => {
  const sides = [{ index: 0, name: "a", layers: ["x"] }, { index: 0, name: "a", layers: ["z"] }];
  const before = globalThis.fetch;
  globalThis.fetch = async () => new Response(JSON.stringify({ sides }));
  try {
    const files = new Files();
    assert.equal((await files.get("compare?a=x&b=z")).status, 200);
    assert.equal((await files.get("compare")).status, 200);
    const other = await files.get("compare?a=x&b=y");
    assert.equal(other.status, 404);
    assert.match(new TextDecoder().decode(other.body), /of x with z/);
  } finally {
    globalThis.fetch = before;
  }
});
