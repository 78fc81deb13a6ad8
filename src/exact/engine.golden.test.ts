/**
 * Bits are API: these hashes may only change together with the version that archives carry (FREQUENCY_VERSION in
 * codec/). They are the same for every batch, thread count, kernel, compiler tier and machine.
 */

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { EngineOptions } from "./engine.ts";
import { golden } from "./golden.test-support.ts";
import { hashes } from "./hashes.test-support.ts";

const ways: [string, EngineOptions][] = [
  ["one at a time", { batch: 1 }],
  ["3 at a time", { batch: 3 }],
  ["16 at a time", { batch: 16 }],
  ["64 at a time", { batch: 64 }],
  ["one thread", { threads: 1 }],
  ["two threads", { threads: 2 }],
  ["two threads, 7 at a time", { threads: 2, batch: 7 }],
  ["the TypeScript reference", { kernel: "reference" }],
];

test.each(ways)(
  "%s: the golden bits",
  async (_, options) => {
    expect(await hashes(options)).toEqual(golden);
  },
  60_000,
);

test.each(["--liftoff-only", "--no-liftoff"])(
  "node %s: the golden bits",
  (flag) => {
    const script =
      `import(${JSON.stringify(new URL("./hashes.test-support.ts", import.meta.url).href)}).then(async ` +
      "({ hashes }) => console.log(JSON.stringify(await hashes())))";
    expect(JSON.parse(execFileSync(process.execPath, [flag, "-e", script], { encoding: "utf8" }))).toEqual(golden);
  },
  60_000,
);
