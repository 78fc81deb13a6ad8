/** Vectors that a condition's source gives to images: whose they are, and what `--condition` says. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { scratchFolder } from "../cli/command-line.test-support.ts";
import { ENCODER, modelAt, SIDE } from "../cli/small-models.test-support.ts";
import { datasetFromArrays } from "../data/dataset.ts";
import { encode } from "../measure/encode.ts";
import { randomFrom } from "../random.ts";
import { attachConditions, readConditionWish, scaleOfVectors } from "./condition-source.ts";

const scratch = scratchFolder("condition-source");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("words of --condition as a source; a path may hold colons", () => {
  expect(readConditionWish("class")).toEqual({ source: { from: "class" } });
  expect(readConditionWish("captions")).toEqual({ source: { from: "captions" } });
  expect(readConditionWish("thumbnail:7x14")).toEqual({ source: { from: "thumbnail", height: 7, width: 14 } });
  expect(readConditionWish("vectors:a:b.npy")).toEqual({ source: { from: "vectors" }, vectors: "a:b.npy" });
  expect(readConditionWish("encoder:runs/x:y")).toEqual({
    source: { from: "encoder", model: "runs/x:y", of: "image" },
  });
  expect(readConditionWish("peers:faces")).toEqual({ source: { from: "encoder", model: "faces", of: "class" } });
});

test(
  "peers: the images of the class that come next, 32 at most, drawn anew each epoch; its own of an image that is " +
    "alone or has no class",
  async () => {
    const { folder, config, parameters } = modelAt(join(scratch, "faces"), {
      family: "embedder",
      size: 3,
      encoder: ENCODER,
    });
    const random = randomFrom(3);
    // Forty images of class 0, one of class 1, one without; every other thing is noise.
    const labels = [...Array<number>(40).fill(0), 1, -1];
    const pixels = Uint8Array.from({ length: 42 * 64 }, () => random.below(2));
    const data = datasetFromArrays(
      { name: "noise", split: "train", ...SIDE, classes: ["many", "one"] },
      pixels,
      labels,
    );
    const codes = await encode({ config: config.model, parameters }, data, { threads: 1 });
    const codeOf = (i: number): string => codes.subarray(3 * i, 3 * i + 3).join();
    const options = { folder: null, threads: 1, tell: (text: string) => expect.fail(text) };
    const found = await attachConditions(data, { from: "encoder", model: folder, of: "class" }, options);
    expect(found.vectorSize).toBe(3);
    const seen: Set<string>[] = [0, 30, 40, 41].map(() => new Set());
    for (let epoch = 0; epoch < 400; epoch++) {
      const { vectors } = await found.batch([0, 30, 40, 41], { epoch });
      seen.forEach((set, k) => void set.add(vectors!.subarray(3 * k, 3 * k + 3).join()));
    }
    const next = (i: number): string[] => Array.from({ length: 32 }, (_, k) => codeOf((i + 1 + k) % 40));
    // 400 draws miss one of 32 in one of ten thousand; the seed is fixed.
    expect(seen).toEqual([new Set(next(0)), new Set(next(30)), new Set([codeOf(40)]), new Set([codeOf(41)])]);
    // Embeddings have length 1: three numbers of a third each, squared.
    expect(await scaleOfVectors(found)).toBe(1.73);
    expect(await scaleOfVectors(data)).toBeUndefined();
  },
);
