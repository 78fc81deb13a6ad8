/**
 * The bits of conditioned and guided models, pinned: the same for every batch, thread count, kernel and compiler tier.
 * m(h) and the joining of guided logits are plain TypeScript, so the tiers of JavaScript count here as much as those of
 * WebAssembly.
 */

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { conditionGolden, conditionHashes } from "./condition-hashes.test-support.ts";
import type { EngineOptions } from "./engine.ts";

const ways: [string, EngineOptions][] = [
  ["one at a time", { batch: 1 }],
  ["3 at a time", { batch: 3 }],
  ["16 at a time", { batch: 16 }],
  ["one thread", { threads: 1 }],
  ["two threads, 5 at a time", { threads: 2, batch: 5 }],
  ["the TypeScript reference", { kernel: "reference" }],
];

test.each(ways)("%s: the golden bits", async (_, options) => {
  expect(await conditionHashes(options)).toEqual(conditionGolden);
});

test.each(["--liftoff-only", "--no-liftoff", "--no-opt", "--always-turbofan"])("node %s: the golden bits", (flag) => {
  const source = new URL("./condition-hashes.test-support.ts", import.meta.url).href;
  const script = `import(${JSON.stringify(source)}).then(async (s) => console.log(JSON.stringify(await s.conditionHashes())))`;
  expect(JSON.parse(execFileSync(process.execPath, [flag, "-e", script], { encoding: "utf8" }))).toEqual(
    conditionGolden,
  );
});
