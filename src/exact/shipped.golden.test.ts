/**
 * What the shipped models draw and say, to the bit, in every way of running the engine. Bounded here (the first images;
 * every one of them one way); PIXELCNN_SLOW=1 runs all of them in all ways, the reference for some minutes a model.
 * Chromium's turn is in engine.browser.test.ts.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { findNamed } from "../data/named.ts";
import type { EngineOptions } from "./engine.ts";
import { FIRST, goldenOf, PART, shippedGolden, shippedHashes, WHOLE } from "./shipped-golden.test-support.ts";

const SLOW = process.env.PIXELCNN_SLOW === "1";
const most = SLOW ? WHOLE : PART;
const MINUTES = 60_000;

test("every model that ships has golden bits", () => {
  const folders = readdirSync(new URL("../../models/", import.meta.url), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(Object.keys(shippedGolden).sort()).toEqual(folders.map(({ name }) => name).sort());
});

const ways: [string, EngineOptions, typeof WHOLE][] = [
  ["64 at a time", { batch: 64 }, WHOLE],
  ["16 at a time", { batch: 16 }, most],
  ["3 at a time", { batch: 3 }, most],
  ["one at a time", { batch: 1 }, most],
  ["one thread", { threads: 1 }, most],
  ["two threads, 7 at a time", { threads: 2, batch: 7 }, most],
  ["the TypeScript reference", { kernel: "reference" }, SLOW ? WHOLE : FIRST],
];

describe.each(Object.keys(shippedGolden))("%s", (name) => {
  test.each(ways)(
    "%s: the golden bits",
    async (_, options, many) => {
      expect(await shippedHashes(name, { ...options, ...many })).toEqual(goldenOf(name, many));
    },
    15 * MINUTES,
  );

  test.each(["--liftoff-only", "--no-liftoff"])(
    "node %s: the golden bits",
    (flag) => {
      const module = new URL("./shipped-golden.test-support.ts", import.meta.url).href;
      const script =
        `import(${JSON.stringify(module)}).then(async ({ shippedHashes }) => ` +
        `console.log(JSON.stringify(await shippedHashes(${JSON.stringify(name)}, ${JSON.stringify(most)}))))`;
      const out = execFileSync(process.execPath, [flag, "-e", script], { encoding: "utf8" });
      expect(JSON.parse(out)).toEqual(goldenOf(name, most));
    },
    15 * MINUTES,
  );
});

const fashion = findNamed("fashion-mnist");
describe.skipIf(fashion === null)(
  "fashion-mnist on its own test images, where Debian's dataset-fashion-mnist is installed",
  () => {
    test.each<EngineOptions>([{ batch: 64 }, ...(SLOW ? [{ threads: 2, batch: 3 }] : [])])(
      "%o: the golden bits",
      async (options) => {
        const pixels = gunzipSync(readFileSync(`${fashion}/t10k-images-idx3-ubyte.gz`)).subarray(16);
        const found = await shippedHashes("fashion-mnist-1", { ...options, pixels, ...FIRST, images: 100 });
        expect(found.tables).toBe("ffeb53e129ef398fb8d3fb0b826195f62e917f66ddf0ecedfd95cb915596c614");
      },
      15 * MINUTES,
    );
  },
);
