import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Every file that importing `start` loads, and the foreign modules among its imports; type-only and dynamic imports
 * load nothing.
 */
function loadedBy(start: string): { files: Set<string>; foreign: Map<string, string> } {
  const files = new Set<string>();
  const foreign = new Map<string, string>();
  const walk = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, clause, from] of text.matchAll(/^(?:import|export)\s+((?:[^"';]*?)\s+from\s+)?"([^"]+)"/gms)) {
      if (clause?.startsWith("type ")) continue;
      if (from!.startsWith(".")) walk(join(dirname(file), from!));
      else foreign.set(from!, relative(here, file));
    }
  };
  walk(join(here, start));
  return { files, foreign };
}

test("what runs anywhere loads nothing of Node and no runtime", () => {
  const { files, foreign } = loadedBy("index.ts");
  expect(files.size).toBeGreaterThan(20);
  expect(
    [...foreign].filter(([name]) => name.startsWith("node:") || name === "sharp" || name.startsWith("onnxruntime-")),
  ).toEqual([]);
});

test("the Node door opens on all of the other, and on files", async () => {
  const [anywhere, node] = await Promise.all([import("./index.ts"), import("./node.ts")]);
  expect(Object.keys(node)).toEqual(expect.arrayContaining(Object.keys(anywhere)));
  expect(node.openData).toBeTypeOf("function");
  expect(node.train).toBeTypeOf("function");
});
