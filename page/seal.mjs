// Writes beside the built page the notices of what it bundles, and digests of its sources and of itself: by these a test
// sees, without Node, that the two belong together.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const OUT = "../semlens/app/static";
const BUNDLED = ["preact", "@preact/signals", "@preact/signals-core", "kdbush"];
const SOURCES = ["index.html", "package.json", "package-lock.json", "seal.mjs", "tsconfig.json", "vite.config.ts", "public", "src"];

/** Every file below a path, in one order on every machine. */
function below(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().flatMap((name) => below(join(path, name)));
}

function digest(files, name = (file) => file) {
  const total = createHash("sha256");
  for (const file of files) {
    const content = createHash("sha256").update(readFileSync(file)).digest("hex");
    total.update(`${name(file)} ${content}\n`);
  }
  return total.digest("hex");
}

const notices = BUNDLED.map((name) => {
  const folder = join("node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}\n`;
});
writeFileSync(join(OUT, "NOTICES.txt"), `What app.js and widget.js bundle besides semlens itself.\n\n${notices.join("\n---\n\n")}`);

const sources = digest(SOURCES.flatMap(below));
const built = digest(below(OUT).filter((file) => !file.endsWith("seal.json")), (file) => file.slice(OUT.length + 1));
writeFileSync(join(OUT, "seal.json"), `${JSON.stringify({ sources, built }, null, 2)}\n`);
