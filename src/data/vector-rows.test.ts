import { encode } from "fast-png";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import type { Dataset } from "./dataset.ts";
import { writeNpy } from "./npy.ts";
import { openData, openSplits } from "./open.ts";

const { path, write } = temporaryFolder();
/** An image of 1 x 1 whose level says which it is. */
const image = (level: number): Uint8Array =>
  encode({ height: 1, width: 1, channels: 1, depth: 8, data: new Uint8Array([level]) });
for (let i = 0; i < 20; i++) write(`pile/${String(i).padStart(2, "0")}.png`, image(i));
for (let i = 0; i < 6; i++) write(`parted/${i < 2 ? "test" : "train"}/${i}.png`, image(i < 2 ? 4 + i : i - 2));
const rows = (n: number, ...axes: number[]): Float32Array => {
  const size = axes.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: n * size }, (_, i) => Math.floor(i / size) + (i % size) / 100);
};
const pile = write("pile.npy", writeNpy([20, 3], rows(20, 3)));

/** Each image's vector says the same as its level. */
async function checkRows(dataset: Dataset, size: number): Promise<void> {
  const { pixels, vectors } = await dataset.batch(Array.from({ length: dataset.length }, (_, i) => i));
  expect(dataset.vectorSize).toBe(size);
  expect([...pixels].map((_, i) => vectors![i * size])).toEqual([...pixels]);
  await checkDataset(dataset);
}

test("row i belongs to image i of the whole, through split and limit", async () => {
  for (const split of ["train", "test", "all"] as const)
    await checkRows(await openData(`${path}/pile`, { vectors: pile, split }), 3);
  await checkRows(await openData(`${path}/pile`, { vectors: pile, limit: 5 }), 3);
  const binary = await openData(`${path}/pile`, { vectors: pile, split: "all", binarise: "stochastic" });
  expect([...(await binary.batch([7])).vectors!]).toEqual([7, 7.01, 7.02].map(Math.fround));
});

test("where a source has its own splits, the train rows come first, then the test rows", async () => {
  const vectors = write("parted.npy", writeNpy([6, 1, 2, 2], rows(6, 1, 2, 2)));
  const { train, test: tests } = await openSplits(`${path}/parted`, { vectors });
  expect([train.length, tests.length]).toEqual([4, 2]);
  await checkRows(train, 4);
  await checkRows(tests, 4);
  await train.close?.();
  await checkRows(tests, 4);
  await checkRows(await openData(`${path}/parted`, { vectors, split: "test" }), 4);
  await checkRows(await openData(`${path}/parted`, { vectors, split: "all" }), 4);
});

test("whole numbers and doubles become float32", async () => {
  const vectors = write(
    "whole.npy",
    writeNpy(
      [20, 1],
      BigInt64Array.from({ length: 20 }, (_, i) => BigInt(i)),
    ),
  );
  await checkRows(await openData(`${path}/pile`, { vectors }), 1);
});

test("rows that do not fit are refused with what was expected", async () => {
  const short = write("short.npy", writeNpy([5, 2], rows(5, 2)));
  await expect(openData(`${path}/pile`, { vectors: short })).rejects.toThrow(
    `expected 20 rows in ${short}, one for each image of ${path}/pile, but received 5`,
  );
  await expect(openData(`${path}/parted`, { vectors: short })).rejects.toThrow(
    `expected 6 rows in ${short}, one for each image of ${path}/parted (4 of train, then 2 of test), but received 5`,
  );
  const flat = write("flat.npy", writeNpy([20], rows(20)));
  await expect(openData(`${path}/pile`, { vectors: flat })).rejects.toThrow(
    `expected [N, D] numbers, or [N, h, w, c] for maps, in ${flat} but received [20]`,
  );
  const broken = write("broken.npy", writeNpy([20, 2], rows(20, 2).fill(Number.NaN, 7, 8)));
  await expect(openData(`${path}/pile`, { vectors: broken })).rejects.toThrow(
    `expected finite numbers in ${broken} but received NaN in row 3`,
  );
  await expect(openData(`${path}/pile`, { vectors: `${path}/none.npy` })).rejects.toMatchObject({ kind: "io" });
});
