// No file of the page imports itself by way of others.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../src", import.meta.url));
const files = new Set(readdirSync(root, { recursive: true }).map((name) => join(root, name)).filter((name) => /\.tsx?$/.test(name)));
const imports = new Map([...files].map((file) => [file, importsOf(file)]));

function importsOf(file) {
  const named = [...readFileSync(file, "utf8").matchAll(/from "(\.[^"]+)"/g)].map((match) => normalize(join(dirname(file), match[1])));
  return named.map((path) => [path, `${path}.ts`, `${path}.tsx`].find((name) => files.has(name))).filter(Boolean);
}

/** A chain of imports that comes back to where it began; null if there is none below a file. */
function circle(file, chain, clear) {
  if (chain.includes(file)) return [...chain.slice(chain.indexOf(file)), file];
  if (clear.has(file)) return null;
  for (const next of imports.get(file)) {
    const found = circle(next, [...chain, file], clear);
    if (found) return found;
  }
  clear.add(file);
  return null;
}

test("there is no circle of imports", () => {
  assert.ok(files.size > 100);
  const clear = new Set();
  for (const file of files) assert.equal(circle(file, [], clear), null);
});
