/**
 * Bits are API: these hashes may only change together with the version that archives carry (FREQUENCY_VERSION in codec/). They are
 * the same for every batch, thread count, kernel, compiler tier and machine.
 */

import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import type { EngineOptions } from "./engine.ts";
import { hashes } from "./testing-hashes.ts";

const golden = {
  "grey: 64 samples of seed 1": "d86590f773fe50eb916d263b8938ce07d379e72956c5eb82e594c806f62ba7f6",
  "grey: tables of 8 images": "ba7842bd197e9c1f74d1565ef1253b1d5ec261670d83d58a3f39b41c6aedf483",
  "colour: 64 samples of seed 1": "5e2b7346355197d77c4e5b069e02de1c2634580058539b5c75a4673ddfddb4f4",
  "colour: tables of 8 images": "9c39dd67f0073495e7266791be834bb8f30f4bbf3f3f1afe8d2988ac2c4ce6e8",
};

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
    const script = `import(${JSON.stringify(new URL("./testing-hashes.ts", import.meta.url).href)}).then(async ({ hashes }) => console.log(JSON.stringify(await hashes())))`;
    expect(JSON.parse(execFileSync(process.execPath, [flag, "-e", script], { encoding: "utf8" }))).toEqual(golden);
  },
  60_000,
);
