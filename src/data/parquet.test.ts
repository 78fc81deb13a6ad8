import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { encode } from "fast-png";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { imageCodec } from "./decode.ts";
import type { CachedDataset } from "./encoded-images.ts";
import { openData, openSplits } from "./open.ts";
import { parquetSource } from "./parquet.ts";

const { path } = temporaryFolder();

const png = (value: number, height = 3, width = 2): Uint8Array =>
  encode({ height, width, channels: 1, depth: 8, data: new Uint8Array(height * width).fill(value) });
const pngs = (n: number, from = 0): Uint8Array[] => Array.from({ length: n }, (_, i) => png(from + i));

interface Table {
  images: readonly (Uint8Array | null)[];
  labels?: readonly (number | string | null)[];
  /** Class names in the Hugging Face metadata. */
  names?: readonly string[];
  /** Plain bytes instead of a struct. */
  plain?: boolean;
  codec?: "GZIP";
}

function write(name: string, { images, labels, names, plain, codec }: Table): string {
  const file = join(path, name);
  const words = labels?.some((label) => typeof label === "string");
  const features = { image: { _type: "Image" }, ...(names ? { label: { _type: "ClassLabel", names } } : {}) };
  const struct = [
    { name: "root", num_children: labels ? 2 : 1 },
    { name: "image", num_children: 2, repetition_type: "OPTIONAL" },
    { name: "bytes", type: "BYTE_ARRAY", repetition_type: "OPTIONAL" },
    { name: "path", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    ...(labels
      ? [
          {
            name: "label",
            repetition_type: "OPTIONAL",
            ...(words ? { type: "BYTE_ARRAY", converted_type: "UTF8" } : { type: "INT64" }),
          },
        ]
      : []),
  ] as never;
  const image = plain
    ? { name: "image", data: [...images], type: "BYTE_ARRAY" as const }
    : { name: "image", data: images.map((bytes, i) => bytes && { bytes, path: `${i}.png` }) };
  const label = labels && { name: "label", data: labels.map((v) => (typeof v === "number" ? BigInt(v) : v)) };
  const buffer = parquetWriteBuffer({
    columnData: label ? [image, label] : [image],
    ...(plain ? {} : { schema: struct }),
    ...(codec ? { codec, compressors: { GZIP: (bytes: Uint8Array) => gzipSync(bytes) } } : {}),
    rowGroupSize: 7,
    kvMetadata: names ? [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }] : [],
  });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, new Uint8Array(buffer));
  return file;
}
const zeroOne = (n: number): number[] => Array.from({ length: n }, (_, i) => i % 2);

test("the hub's layout: structs of bytes, integer labels, class names in the metadata, splits by name", async () => {
  write("hub/data/train-00000-of-00002.parquet", { images: pngs(20), labels: zeroOne(20), names: ["cat", "dog"] });
  write("hub/data/train-00001-of-00002.parquet", { images: pngs(10, 20), labels: zeroOne(10), names: ["cat", "dog"] });
  write("hub/data/test-00000-of-00001.parquet", { images: pngs(9, 100), labels: zeroOne(9), names: ["cat", "dog"] });
  const { train, test: tests } = await openSplits(`${path}/hub`);
  expect([train.length, train.height, train.width, train.channels, tests.length]).toEqual([30, 3, 2, 1, 9]);
  expect(train.classes).toEqual(["cat", "dog"]);
  await checkDataset(train);
  await checkDataset(tests);
  const batch = await train.batch([29, 0, 20]);
  expect([batch.pixels[0], batch.pixels[6], batch.pixels[12]]).toEqual([29, 0, 20]);
  expect([...batch.labels]).toEqual([1, 0, 0]);
  expect([train.nameOf(20), tests.nameOf(8)]).toEqual([
    "train-00001-of-00002.parquet/0",
    "test-00000-of-00001.parquet/8",
  ]);
  expect((await tests.batch([0])).pixels[0]).toBe(100);
  await train.close?.();
});

test("one file of plain bytes, labels as words, gzip pages", async () => {
  const file = write("plain.parquet", { images: pngs(12), labels: [..."zyxzyxzyxzyx"], plain: true, codec: "GZIP" });
  const all = await openData(file, { split: "all" });
  expect(all.classes).toEqual(["x", "y", "z"]);
  expect([...(await all.batch([0, 1, 2])).labels]).toEqual([2, 1, 0]);
  await checkDataset(all);
  await all.close?.();
});

test("without labels every label is -1, and a missing label is -1 too", async () => {
  const bare = await openData(write("bare.parquet", { images: pngs(4) }), { split: "all" });
  expect([bare.classes, ...(await bare.batch([0, 3])).labels]).toEqual([null, -1, -1]);
  await checkDataset(bare);
  const some = await openData(write("some.parquet", { images: pngs(3), labels: [2, null, 0] }), { split: "all" });
  expect([some.classes, ...(await some.batch([0, 1, 2])).labels]).toEqual([["0", "1", "2"], 2, -1, 0]);
  await Promise.all([bare.close?.(), some.close?.()]);
});

test("the cache stays within its bound, whatever its size, with the same images", async () => {
  const file = write("many.parquet", { images: pngs(200) });
  for (const cacheBytes of [0, 100, 2000]) {
    const source = await parquetSource(file, imageCodec, {
      fit: "resize",
      channels: "auto",
      onBroken: "error",
      isFolder: false,
      cacheBytes,
    });
    if (source.kind !== "whole") throw new Error("expected one pile");
    const dataset = (await source.open()) as CachedDataset;
    const { pixels } = await dataset.batch(Array.from({ length: 200 }, (_, i) => 199 - i));
    expect(Array.from({ length: 200 }, (_, i) => pixels[i * 6])).toEqual(
      Array.from({ length: 200 }, (_, i) => 199 - i),
    );
    expect(dataset.cachedBytes).toBeLessThanOrEqual(cacheBytes / 2);
    await dataset.close?.();
  }
});

test("a broken or missing image is an error that names file and row, or is skipped", async () => {
  const file = write("broken.parquet", {
    images: [png(1), new Uint8Array([1, 2, 3]), null, png(4)],
    labels: zeroOne(4),
  });
  await expect(openData(file)).rejects.toThrow(
    `2 of 4 images of ${file} cannot be read:\n  expected an image that can be decoded for row 1 of ${file} but ` +
      `received bytes that begin with 01 02 03\n  expected an image in row 2 of ${file} but received none\n` +
      'onBroken "skip" leaves them out',
  );
  const warnings: string[] = [];
  const rest = await openData(file, { split: "all", onBroken: "skip", onWarning: (text) => warnings.push(text) });
  expect([rest.length, ...(await rest.batch([0, 1])).labels]).toEqual([2, 0, 1]);
  expect(warnings[0]).toMatch(
    new RegExp(`^skipped 2 of 4 images of ${file} that cannot be read:\n.*row 1.*\n.*expected an image in row 2`),
  );
  await checkDataset(rest);
  await rest.close?.();
});

test("a damaged file, a missing column and labels out of range are refused", async () => {
  const text = join(path, "text.parquet");
  writeFileSync(text, "this is not a Parquet file");
  await expect(openData(text)).rejects.toThrow(
    `expected a whole Parquet file at ${text} but received: parquet file invalid (footer != PAR1)`,
  );
  const other = join(path, "other.parquet");
  writeFileSync(other, new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "text", data: ["a"] }] })));
  await expect(openData(other)).rejects.toThrow(`expected a column image in ${other} but received the columns text`);
  const labels = write("labels.parquet", { images: pngs(3), labels: [0, 5, 1], names: ["a", "b"] });
  await expect(openData(labels)).rejects.toThrow(
    `expected a label from 0 to 1 in row 1 of column label of ${labels} but received 5n`,
  );
});

test("files of other columns than the first are refused", async () => {
  write("columns/a.parquet", { images: pngs(2), labels: [0, 1] });
  const other = write("columns/b.parquet", { images: pngs(2) });
  await expect(openData(`${path}/columns`)).rejects.toThrow(
    `expected columns image and label in ${other}, as in ${path}/columns/a.parquet, but received image and null`,
  );
});

test("classes are mapped by name where splits list them in another order", async () => {
  write("order/train.parquet", { images: pngs(2), labels: [0, 1], names: ["cat", "dog"] });
  write("order/test.parquet", { images: pngs(3, 50), labels: [0, 1, 2], names: ["dog", "cat", "eel"] });
  const { train, test: tests } = await openSplits(`${path}/order`);
  expect([train.classes, tests.classes]).toEqual([
    ["cat", "dog", "eel"],
    ["cat", "dog", "eel"],
  ]);
  expect([...(await train.batch([0, 1])).labels]).toEqual([0, 1]);
  expect([...(await tests.batch([0, 1, 2])).labels]).toEqual([1, 0, 2]);
  write("half/train.parquet", { images: pngs(2), labels: [0, 1], names: ["cat", "dog"] });
  write("half/test.parquet", { images: pngs(2), labels: [0, 1] });
  await expect(openData(`${path}/half`)).rejects.toThrow(
    `expected names of the classes in ${path}/half/test.parquet, as in ${path}/half/train.parquet, but received none`,
  );
});

test("a missing shard is named, a validation part is the test split, and folders of the hub are found", async () => {
  write("shards/data/train-00000-of-00003.parquet", { images: pngs(3) });
  write("shards/data/train-00002-of-00003.parquet", { images: pngs(3, 10) });
  write("shards/data/validation-00000-of-00001.parquet", { images: pngs(2, 20) });
  const warnings: string[] = [];
  const { train, test: tests } = await openSplits(`${path}/shards`, { onWarning: (text) => warnings.push(text) });
  expect([train.length, tests.length]).toEqual([6, 2]);
  expect(warnings).toEqual([
    "1 of the 3 files of train is missing: train-00001-of-00003.parquet",
    `validation is taken as the test split of ${path}/shards`,
  ]);
  write("plain/plain_text/train.parquet", { images: pngs(3) });
  expect((await openData(`${path}/plain`)).length).toBeGreaterThan(0);
  write("several/de/train.parquet", { images: pngs(3) });
  write("several/en/train.parquet", { images: pngs(3) });
  await expect(openData(`${path}/several`)).rejects.toThrow(
    `expected Parquet files in ${path}/several or in one folder of it but received some in each of de, en: give one ` +
      `of them, such as ${path}/several/de`,
  );
});

test("what is strict refuses rows of 16 bits or several frames, as it does files", async () => {
  const deep = encode({ height: 3, width: 2, channels: 1, depth: 16, data: new Uint16Array(6).fill(50_000) });
  const file = write("strict.parquet", { images: [png(1), deep, png(3)] });
  await expect(openData(file, { strict: true, thorough: true })).rejects.toThrow(
    `expected 8 bits a channel, one page, and grey or RGB colours in row 1 of ${file}, to keep it without loss, but ` +
      "received 16 bits a channel",
  );
  const warnings: string[] = [];
  const loose = await openData(file, { split: "all", onWarning: (text) => warnings.push(text) });
  expect([...(await loose.batch([1])).pixels]).toEqual(new Array(6).fill(195));
  expect(warnings).toEqual([
    `row 1 of ${file} has 16 bits a channel; it is taken as 8 bits, and so are others like it`,
  ]);
});
