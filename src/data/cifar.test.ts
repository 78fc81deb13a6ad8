import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { toCifarBinary } from "./cifar.ts";
import { openData } from "./open.ts";

const { path, write } = temporaryFolder();

const pixelsOf = (n: number): Uint8Array => Uint8Array.from({ length: n * 3072 }, (_, i) => (i * 13 + (i >> 8)) % 256);
const binary = (n: number, most = 10): Uint8Array =>
  toCifarBinary(
    pixelsOf(n),
    Array.from({ length: n }, (_, i) => i % most),
  );
/** CIFAR-100: a coarse label before the fine one. */
const binary100 = (n: number): Uint8Array =>
  Buffer.concat(
    Array.from({ length: n }, (_, i) =>
      Buffer.concat([Buffer.from([i % 20, i % 100]), binary(n).subarray(i * 3073 + 1, (i + 1) * 3073)]),
    ),
  );

test("a CIFAR-10 folder joins its batches, in order, with the class names", async () => {
  const names = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
  for (const i of [1, 2]) write(`ten/data_batch_${i}.bin`, binary(i + 2));
  write("ten/test_batch.bin", binary(11));
  write("ten/batches.meta.txt", `${names.join("\n")}\n\n`);
  for (const cacheBytes of [0, 2 ** 20]) {
    const train = await openData(`${path}/ten`, { cacheBytes });
    const tests = await openData(`${path}/ten`, { split: "test", cacheBytes });
    expect([train.length, tests.length, train.height, train.width, train.channels]).toEqual([7, 11, 32, 32, 3]);
    expect(train.classes).toEqual(names);
    await checkDataset(train);
    await checkDataset(tests);
    const batch = await train.batch([2, 3]);
    expect(batch.pixels.subarray(0, 3072)).toEqual(pixelsOf(3).subarray(6144));
    expect(batch.pixels.subarray(3072)).toEqual(pixelsOf(1));
    expect([...batch.labels]).toEqual([2, 0]);
    await train.close?.();
    await tests.close?.();
  }
});

test("CIFAR-100 is told by its length, and its labels are the fine ones", async () => {
  write("hundred/train.bin", binary100(30));
  write("hundred/test.bin", binary100(21));
  const tests = await openData(`${path}/hundred`, { split: "test" });
  await checkDataset(tests);
  expect(tests.classes).toHaveLength(100);
  expect([...(await tests.batch([20])).labels]).toEqual([20]);
});

test("one file is divided, each image by its name and the seed", async () => {
  const file = write("one/pictures.bin", binary(20));
  const [train, tests] = [await openData(file), await openData(file, { split: "test" })];
  expect([train.length, tests.length]).toEqual([19, 1]);
  await checkDataset(train);
});

test("a file of a wrong length and a label out of range are refused", async () => {
  await expect(openData(write("bad/data.bin", binary(3).subarray(1)))).rejects.toThrow(
    `expected a multiple of 3073 bytes (CIFAR-10) or 3074 (CIFAR-100) for ${path}/bad/data.bin but received 9218`,
  );
  await expect(openData(write("empty/data.bin", ""))).rejects.toThrow("but received 0");
  // When the data are opened, not when the image is drawn.
  await expect(openData(write("label/data.bin", binary(12, 12)), { testFraction: 0 })).rejects.toThrow(
    `expected a label from 0 to 9 for image 10 of ${path}/label/data.bin but received 10`,
  );
});
