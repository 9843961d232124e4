// The table of cases that pytest reads too (tests/analysis/audit/test_cases.py): grammar of requirements, masses,
// verdicts. Run by `npm test`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { createServer } from "vite";

const cases = JSON.parse(readFileSync(new URL("../../tests/cases/audit.json", import.meta.url), "utf8"));
const server = await createServer({ configFile: false, server: { middlewareMode: true, hmr: false, ws: false, watch: null }, optimizeDeps: { noDiscovery: true }, logLevel: "error" });
const { CHANCE, recount, valueOf } = await server.ssrLoadModule("/src/audit/recount.ts");
const { parseRequirement } = await server.ssrLoadModule("/src/audit/requirement.ts");
const { emptyDraft } = await server.ssrLoadModule("/src/audit/spec.ts");
after(() => server.close());

test("a new spec asks for the usual", () => assert.deepEqual(emptyDraft("melanoma").requirements, cases.usual));

/** The answer of the server for a case: the most relevant rows of a layer first, relevance as a part of the layer's. */
function auditOf({ layers, rows, thresholds, by = "examples" }) {
  const total = (layer) => rows.filter((row) => row.layer === layer).reduce((sum, row) => sum + row.relevance, 0) || 1;
  const answered = rows.map((row, number) => ({
    ...row,
    component: `${row.layer}:${number}`,
    relevance: row.relevance / total(row.layer),
    against: (row.against ?? 0) / total(row.layer),
    spurious_share: row.spurious_share ?? null,
    valid_critical: thresholds.valid,
    spurious_critical: thresholds.spurious,
  }));
  return { by, layers, rows: answered.sort((a, b) => b.relevance - a.relevance), concepts: [], verdicts: [] };
}

/** The same thresholds as chance's, as the reader's own, and one of each: all have to count alike. */
function ways({ valid, spurious }) {
  return [CHANCE, { valid, spurious }, { valid, spurious: null }, { valid: null, spurious }];
}

for (const { text, parsed } of cases.requirements) {
  test(`the requirement ${JSON.stringify(text)}`, () => assert.deepEqual(parseRequirement(text), parsed));
}

for (const one of cases.audits) {
  const audit = auditOf(one);
  for (const moved of ways(one.thresholds)) {
    const counted = recount(audit, moved);
    test(`${one.name}: masses by ${JSON.stringify(moved)}`, () => {
      const masses = Object.fromEntries(one.layers.map((layer) => [layer, {}]));
      for (const { layer, quadrant, components, relevance } of counted.shares) masses[layer][quadrant] = [components, relevance];
      assert.deepEqual(masses, one.masses);
    });
    for (const { requirement, ...expected } of one.verdicts) {
      test(`${one.name}: ${requirement} by ${JSON.stringify(moved)}`, () => {
        assert.deepEqual(valueOf(counted, parseRequirement(requirement)), expected);
      });
    }
  }
}
