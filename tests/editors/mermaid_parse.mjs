// Reads a JSON list of texts, writes a JSON list: null where the real Mermaid parser takes one, else what it says.
// node mermaid_parse.mjs FOLDER_WITH_NODE_MODULES
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const folder = process.argv[2];
const { JSDOM } = createRequire(join(folder, "package.json"))("jsdom");
const { window } = new JSDOM("<!doctype html>");
Object.assign(globalThis, { window, document: window.document });
const place = join(folder, "node_modules", "mermaid", "dist", "mermaid.core.mjs");
const { default: mermaid } = await import(pathToFileURL(place).href);

const answers = [];
for (const text of JSON.parse(readFileSync(0, "utf-8"))) {
  try {
    await mermaid.parse(text);
    answers.push(null);
  } catch (error) {
    answers.push(String(error.message ?? error));
  }
}
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
