import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { openData } from "./open.ts";

const { path, write } = temporaryFolder();

function idx(axes: readonly number[], data: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(4 + 4 * axes.length);
  header[2] = 8;
  header[3] = axes.length;
  for (const [i, n] of axes.entries()) header.writeUInt32BE(n, 4 + 4 * i);
  return Buffer.concat([header, Uint8Array.from(data)]);
}
const images = (n: number, h: number, w: number): Buffer =>
  idx(
    [n, h, w],
    Array.from({ length: n * h * w }, (_, i) => (i * 31) % 256),
  );
const labels = (n: number): Buffer =>
  idx(
    [n],
    Array.from({ length: n }, (_, i) => i % 3),
  );

test("a folder of four files holds both splits, plain and gzip alike", async () => {
  for (const [folder, pack, end] of [
    ["plain", (b: Buffer) => b, ""],
    ["packed", (b: Buffer) => gzipSync(b), ".gz"],
  ] as const) {
    write(`${folder}/train-images-idx3-ubyte${end}`, pack(images(12, 4, 5)));
    write(`${folder}/train-labels-idx1-ubyte${end}`, pack(labels(12)));
    write(`${folder}/t10k-images-idx3-ubyte${end}`, pack(images(6, 4, 5)));
    write(`${folder}/t10k-labels-idx1-ubyte${end}`, pack(labels(6)));
    const train = await openData(`${path}/${folder}`);
    const tests = await openData(`${path}/${folder}`, { split: "test" });
    expect([train.length, tests.length, train.height, train.width, train.channels]).toEqual([12, 6, 4, 5, 1]);
    expect(train.classes).toEqual(["0", "1", "2"]);
    await checkDataset(train);
    await checkDataset(tests);
    const { pixels, labels: read } = await train.batch([11]);
    expect([...pixels]).toEqual(Array.from({ length: 20 }, (_, i) => ((11 * 20 + i) * 31) % 256));
    expect([...read]).toEqual([2]);
    // Naming one of the files is the same as naming the folder.
    expect((await openData(`${path}/${folder}/train-images-idx3-ubyte${end}`)).length).toBe(12);
    expect((await openData(`${path}/${folder}`, { split: "all" })).length).toBe(18);
  }
});

test("a file beyond the bound on memory is read where asked, with the same result", async () => {
  const file = write("big/x-images-idx3-ubyte", images(50, 3, 3));
  const [held, onDisk] = [
    await openData(file, { testFraction: 0 }),
    await openData(file, { testFraction: 0, cacheBytes: 0 }),
  ];
  await checkDataset(onDisk);
  expect(await onDisk.batch([49, 0, 7])).toEqual(await held.batch([49, 0, 7]));
  await onDisk.close?.();
});

test("colour images have four axes, and labels may be absent", async () => {
  const colour = await openData(write("colour/c-images-idx4-ubyte", idx([20, 2, 2, 3], new Uint8Array(240).fill(9))), {
    split: "test",
  });
  expect([colour.length, colour.channels, colour.classes]).toEqual([1, 3, null]);
  await checkDataset(colour);
});

test("test images alone are all test, and have no train split", async () => {
  const file = write("alone/t10k-images-idx3-ubyte", images(7, 2, 2));
  expect((await openData(file, { split: "test" })).length).toBe(7);
  await expect(openData(file)).rejects.toThrow(`expected train images for ${file}, but it holds test images only`);
});

test("damaged files are refused with what was expected, what was found, and where", async () => {
  const wrong = async (name: string, content: Uint8Array): Promise<void> => {
    await openData(write(`${name}/images-idx3-ubyte`, content));
  };
  await expect(wrong("magic", Buffer.from([0, 0, 13, 3, 0, 0, 0, 0]))).rejects.toThrow(
    "expected the magic number 0x00000803 or 0x00000804 (IDX, unsigned bytes, images) at the start of " +
      `${path}/magic/images-idx3-ubyte but received 0x00000d03`,
  );
  await expect(wrong("short", images(3, 4, 5).subarray(0, 70))).rejects.toThrow(
    `expected 76 bytes for ${path}/short/images-idx3-ubyte, whose header says [3, 4, 5], but received 70`,
  );
  await expect(wrong("long", Buffer.concat([images(3, 4, 5), Buffer.alloc(1)]))).rejects.toThrow("but received 77");
  await expect(wrong("empty", new Uint8Array())).rejects.toThrow("but received 0 bytes");
  await expect(wrong("absurd", Buffer.from("000008037fffffff7fffffff7fffffff", "hex"))).rejects.toThrow(
    "but received 16",
  );
  await expect(wrong("cut", gzipSync(images(30, 4, 5)).subarray(0, 60))).rejects.toThrow(
    `expected a whole gzip file at ${path}/cut/images-idx3-ubyte`,
  );
  write("fewer/a-labels-idx1-ubyte", labels(2));
  await expect(openData(write("fewer/a-images-idx3-ubyte", images(3, 2, 2)))).rejects.toThrow(
    `expected 3 labels, one for each image of a-images-idx3-ubyte, in ${path}/fewer/a-labels-idx1-ubyte but received 2`,
  );
});
