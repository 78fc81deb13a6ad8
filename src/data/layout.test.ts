/** How folders are laid out: splits, classes, what is passed over, and folders that hold several kinds of data. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, describe, expect, test } from "vitest";
import type { Dataset } from "./dataset.ts";
import { openData, openSplits } from "./open.ts";
import type { DataOptions } from "./options.ts";

const root = mkdtempSync(join(tmpdir(), "pixelcnn-layout-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;

const grey = (value: number, side = 2): Uint8Array =>
  encode({ height: side, width: side, channels: 1, depth: 8, data: new Uint8Array(side * side).fill(value) });
const idx = (bytes: readonly number[], axes: readonly number[]): Uint8Array =>
  Buffer.concat([
    Buffer.from([0, 0, 8, axes.length]),
    ...axes.map((n) => Buffer.from([n >> 24, n >> 16, n >> 8, n])),
    Buffer.from(bytes),
  ]);
const images = (count: number, value = 0): Uint8Array =>
  idx(
    Array.from({ length: count * 4 }, (_, i) => (value + i) % 256),
    [count, 2, 2],
  );
const labels = (...values: number[]): Uint8Array => idx(values, [values.length]);
const cifar = (count: number): Uint8Array => new Uint8Array(count * 3073).fill(1);

/** A folder with these files; a name that ends with "/" is an empty folder. PNG files may be given by their grey. */
function folder(files: Readonly<Record<string, Uint8Array | string | number>>): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) {
    const file = join(path, name);
    mkdirSync(name.endsWith("/") ? file : dirname(file), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(file, typeof content === "number" ? grey(content) : content);
  }
  return path;
}

interface Opened {
  readonly data: Dataset;
  readonly names: string[];
  readonly warnings: string[];
}

async function opened(path: string, options: DataOptions = {}): Promise<Opened> {
  const warnings: string[] = [];
  const data = await openData(path, { split: "all", ...options, onWarning: (text) => warnings.push(text) });
  const names = Array.from({ length: data.length }, (_, i) => data.nameOf(i));
  return { data, names, warnings: warnings.map((text) => text.replaceAll(path, "F")) };
}

const refusal = async (path: string, options: DataOptions = {}): Promise<string> =>
  opened(path, options).then(
    () => "opened",
    (error: Error) => error.message.replaceAll(path, "F"),
  );

describe("folders of splits", () => {
  test.each([
    ["train", "test", []],
    ["Train", "TEST", []],
    ["training", "testing", []],
    ["train", "val", ["val is taken as the test split of F"]],
    ["train", "valid", ["valid is taken as the test split of F"]],
    ["TRAIN", "Validation", ["Validation is taken as the test split of F"]],
    ["train", "dev", ["dev is taken as the test split of F"]],
  ])("%s and %s", async (train, other, said) => {
    const path = folder({ [`${train}/a/1.png`]: 1, [`${train}/b/2.png`]: 2, [`${other}/a/3.png`]: 3 });
    const { data, warnings } = await opened(path);
    expect([data.classes, data.length, warnings]).toEqual([["a", "b"], 3, said]);
    const splits = await openSplits(path);
    expect([splits.train.length, splits.test.length]).toEqual([2, 1]);
    expect([...(await splits.test.batch([0])).pixels]).toEqual([3, 3, 3, 3]);
  });

  test("a validation part beside train and test is left out, and said", async () => {
    const { names, warnings } = await opened(folder({ "train/1.png": 1, "test/2.png": 2, "val/3.png": 3 }));
    expect(names).toEqual(["train/1.png", "test/2.png"]);
    expect(warnings).toEqual(["1 image of F beside train and test are left out: val"]);
  });

  test("two folders of one split, and an empty split, are errors", async () => {
    expect(await refusal(folder({ "train/1.png": 1, "Train/2.png": 2, "test/3.png": 3 }))).toBe(
      "expected one train split in F but received both Train and train",
    );
    expect(await refusal(folder({ "train/1.png": 1, "val/2.png": 2, "valid/3.png": 3 }))).toBe(
      "expected one validation split in F but received both val and valid",
    );
    expect(await refusal(folder({ "train/1.png": 1, "test/": 0 }))).toBe(
      "expected images in test, beside train, in F but it holds none: fill or delete it",
    );
    expect(await refusal(folder({ "train/": 0, "test/1.png": 1 }))).toBe(
      "expected images in train, beside test, in F but it holds none: fill or delete it",
    );
  });

  test("a lone test folder is a test set, a lone train folder a pile", async () => {
    const tests = folder({ "test/a/1.png": 1, "test/b/2.png": 2 });
    expect(await refusal(tests, { split: "train" })).toContain("it holds test images only");
    expect((await opened(tests, { split: "test" })).data.length).toBe(2);
    const { data, warnings } = await opened(folder({ "train/a/1.png": 1, "train/b/2.png": 2 }));
    expect(data.classes).toEqual(["a", "b"]);
    expect(warnings).toEqual(["F holds images in train alone: a test split is drawn from them"]);
  });

  test("a class that is called like a split is a class, and said", async () => {
    const { data, warnings } = await opened(folder({ "train/1.png": 1, "plane/2.png": 2, "car/3.png": 3 }));
    expect(data.classes).toEqual(["car", "plane", "train"]);
    expect(warnings).toEqual([
      "train in F is taken as a class, like the other folders: splits are a folder train and a folder test, val or " +
        "validation",
    ]);
  });
});

describe("what is passed over is counted by reason", () => {
  test("folders of systems and of our own runs", async () => {
    const { names, data, warnings } = await opened(
      folder({
        "a/1.png": 1,
        "@eaDir/1.png/SYNOPHOTO_THUMB_M.png": 9,
        "#recycle/old.png": 9,
        ".Trashes/x.png": 9,
        "__MACOSX/._1.png": 9,
        "System Volume Information/x.png": 9,
        "a/.DS_Store": "x",
        "a/Thumbs.db": "x",
        "a/~$00.png": "lock",
        "run/config.json": "{}",
        "run/log.jsonl": "",
        "run/samples/step-1.png": 9,
        "notes.md": "x",
        "b.heic": "x",
      }),
    );
    expect([names, data.classes]).toEqual([["a/1.png"], ["a"]]);
    expect(warnings).toEqual([
      "F: 11 files passed over: 2 hidden (.Trashes/, a/.DS_Store), 6 of the system (#recycle/, @eaDir/, " +
        "System Volume Information/, ...), 1 in folders of models and runs (run/), 1 images of other formats " +
        "(b.heic), 1 no images (notes.md); the formats read are png, jpg, jpeg, webp, gif, tif, tiff, avif, pgm, ppm",
    ]);
  });

  test("images are told by their content where the name says nothing", async () => {
    const jpeg = await (await import("sharp"))
      .default(Buffer.from(grey(90)))
      .jpeg({ quality: 100 })
      .toBuffer();
    const { names, warnings } = await opened(
      folder({ "1": grey(1), "2.jfif": jpeg, "3.jpe": jpeg, "4.dat": jpeg, "5.image": "no image", "6.apng": grey(6) }),
    );
    expect(names).toEqual(["1", "2.jfif", "3.jpe", "4.dat", "6.apng"]);
    expect(warnings).toEqual(["F: 1 file passed over: 1 no images (5.image)"]);
  });

  test("an image with a wrong ending is read, and what is no image says what it is", async () => {
    expect((await opened(folder({ "really-a-png.jpg": grey(7) }))).data.length).toBe(1);
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="2"/>';
    for (const [content, found] of [
      [svg, "an SVG drawing, which has no pixels: export it as PNG"],
      ["<!doctype html><title>404</title>", "an HTML page (a download that failed, or a login page)"],
      [
        "version https://git-lfs.github.com/spec/v1\n",
        "a Git LFS pointer: the file itself was not fetched; run git lfs",
      ],
      ["\0\0\0\x18ftypheic", "a HEIC image, which is not read: convert it to PNG or JPEG"],
      ["BM\x46\0\0\0\0\0\0\0", "a BMP image, which is not read: convert it to PNG"],
      ["hello", "text"],
      ["", "an empty file"],
    ] as const)
      expect(await refusal(folder({ "a.png": content }))).toMatch(
        new RegExp(`^expected an image.* for F/a.png but received ${found.replace(/[()?]/g, "\\$&")}`),
      );
  });

  test("a folder of data one level too high says where they are", async () => {
    const path = folder({ "MNIST/raw/train-images-idx3-ubyte": images(2), "readme.txt": "x" });
    expect(await refusal(path)).toMatch(
      /^expected images in F but received 2 other files, .*; MNIST\/raw\/train-images-\S+ is data: give F\/MNIST\/raw$/,
    );
  });
});

describe("names in several forms", () => {
  test("one class in two Unicode forms is one class; classes that differ in case are two, and said", async () => {
    const { data, warnings } = await opened(folder({ "caf\u00e9/1.png": 1, "cafe\u0301/2.png": 2 }));
    expect(data.classes).toEqual(["caf\u00e9"]);
    expect([...(await data.batch([0, 1])).labels]).toEqual([0, 0]);
    expect(warnings).toEqual(["the folders cafe\u0301 of F, in two Unicode forms, are taken as one class"]);
    const cased = await opened(folder({ "Cat/1.png": 1, "cat/2.png": 2 }));
    expect(cased.data.classes).toEqual(["Cat", "cat"]);
    expect(cased.warnings).toEqual([
      "the folders Cat and cat of F differ in the case of letters alone: they are two classes",
    ]);
  });

  test("captions are found whatever the form, the ending and its case", async () => {
    const { data } = await opened(
      folder({
        "caf\u00e9.png": 1,
        "cafe\u0301.txt": "coffee",
        "b.png": 2,
        "b.TXT": "bee",
        "c.png": 3,
        "c.caption": "sea",
        "d.png": 4,
        "d.txt": Buffer.from("\ufeffutf-16", "utf16le"),
      }),
    );
    expect([0, 1, 2, 3].map((i) => data.captionsOf!(i))).toEqual([["bee"], ["sea"], ["coffee"], ["utf-16"]]);
    const list = folder({ "caf\u00e9.png": 1, "captions.jsonl": '{"file": "cafe\u0301.png", "text": "coffee"}' });
    expect((await opened(list)).data.captionsOf!(0)).toEqual(["coffee"]);
    expect(await refusal(folder({ "a.png": 1, "a.txt": Buffer.from("caf\xe9", "latin1") }))).toMatch(
      /expected text in UTF-8 in F\/a.txt but line 1 is none; save the file as UTF-8/,
    );
  });

  test("metadata of the hub's image folders give captions and classes", async () => {
    const jsonl = folder({
      "train/1.png": 1,
      "train/2.png": 2,
      "test/3.png": 3,
      "train/metadata.jsonl":
        '{"file_name": "1.png", "text": "one", "label": "odd", "id": 5}\n{"file_name": "2.png", "label": "even"}',
      "test/metadata.jsonl": '{"file_name": "3.png", "text": ["three", "3"], "label": "odd"}',
    });
    const { data, warnings } = await opened(jsonl);
    expect([data.classes, ...(await data.batch([0, 1, 2])).labels]).toEqual([["even", "odd"], 1, 0, 1]);
    expect([0, 1, 2].map((i) => data.captionsOf!(i))).toEqual([["one"], [], ["three", "3"]]);
    expect(warnings).toEqual([
      "F: the columns id of test/metadata.jsonl, train/metadata.jsonl are not read: captions are in text, caption, " +
        "captions, prompt, description, classes in label, class, category",
    ]);
    const csv = folder({ "a.png": 1, "b.png": 2, "metadata.csv": 'file_name,caption\na.png,"a, and b"\n./b.png,b\n' });
    const table = await opened(csv);
    expect([0, 1].map((i) => table.data.captionsOf!(i))).toEqual([["a, and b"], ["b"]]);
    expect(await refusal(folder({ "a.png": 1, "metadata.csv": "name,text\na.png,x\n" }))).toBe(
      "expected a column file_name in the first line of F/metadata.csv but received name, text",
    );
    expect(await refusal(folder({ "a.png": 1, "metadata.jsonl": '{"file_name": "b.png"}' }))).toBe(
      "expected an image at F/b.png, as line 1 of F/metadata.jsonl says, but there is none",
    );
  });
});

describe("a folder that holds several kinds of data", () => {
  const both = {
    "a.png": 1,
    "b.png": 2,
    "train-images-idx3-ubyte": images(3),
  } as const;

  test("names both readings, and reads the one that is asked for", async () => {
    const path = folder(both);
    expect(await refusal(path)).toBe(
      "expected one kind of data in F but received IDX files (train-images-idx3-ubyte for one) and 2 images (a.png " +
        "for one): say which with data.format (idx or images), or move the others away",
    );
    const chosen = await opened(path, { format: "images" });
    expect([chosen.names, chosen.warnings[0]]).toEqual([
      ["a.png", "b.png"],
      "F: IDX files (train-images-idx3-ubyte for one) are left out, as data.format says",
    ]);
    expect((await opened(path, { format: "idx" })).data.length).toBe(3);
    expect(await refusal(path, { format: "parquet" })).toContain("expected parquet data in F, as data.format says");
  });

  test("a stray train.bin that is no CIFAR file is only passed over", async () => {
    const stray = await opened(folder({ "a.png": 1, "train.bin": "weights" }));
    expect(stray.warnings).toEqual(["F: 1 file passed over: 1 no images (train.bin)"]);
    expect(await refusal(folder({ "a.png": 1, "train.bin": cifar(2) }))).toContain(
      "CIFAR files (train.bin for one) and 1 image (a.png for one)",
    );
    expect(await refusal(folder({ "train.bin": cifar(2).subarray(1) }))).toContain("expected a multiple of 3073 bytes");
  });

  test("two atlases are listed, and captions are no atlas", async () => {
    const atlas = { "a.png": 1, "a.jsonl": '{"name": "x"}' } as const;
    expect(await refusal(folder({ ...atlas, "b.png": 2, "b.jsonl": '{"name": "y"}' }))).toBe(
      "expected one atlas in F but received a.png and b.png: give the path of one",
    );
    expect((await opened(folder({ "a.png": 1, "a.jsonl": '{"file_name": "a.png"}' }))).data.length).toBe(1);
  });
});

describe("IDX files", () => {
  const emnist = {
    "emnist-letters-train-images-idx3-ubyte": images(3),
    "emnist-letters-train-labels-idx1-ubyte": labels(1, 2, 1),
    "emnist-letters-test-images-idx3-ubyte": images(2, 50),
    "emnist-letters-test-labels-idx1-ubyte": labels(2, 2),
  } as const;

  test("a prefix names the set, and both its parts are found", async () => {
    const path = folder(emnist);
    const splits = await openSplits(path);
    expect([splits.train.length, splits.test.length, splits.train.classes]).toEqual([3, 2, ["0", "1", "2"]]);
    expect([...(await splits.test.batch([0])).pixels]).toEqual([50, 51, 52, 53]);
    const one = await openSplits(join(path, "emnist-letters-test-images-idx3-ubyte"));
    expect([one.train.length, one.test.length]).toEqual([3, 2]);
  });

  test("several sets are listed, none is taken by the alphabet", async () => {
    const path = folder({ ...emnist, "emnist-digits-train-images-idx3-ubyte": images(5) });
    expect(await refusal(path)).toBe(
      "expected one data set in F but received 2 (emnist-digits-train-images-idx3-ubyte, " +
        "emnist-letters-test-images-idx3-ubyte): give the path of one file of the set you mean, such as " +
        "F/emnist-digits-train-images-idx3-ubyte",
    );
  });

  test("labels pair across dots and dashes, and labels of another shape are named", async () => {
    const dots = folder({ "train-images-idx3-ubyte": images(2), "train-labels.idx1-ubyte": labels(1, 0) });
    expect([...(await (await opened(dots)).data.batch([0, 1])).labels]).toEqual([1, 0]);
    const wide = folder({ "train-images-idx3-ubyte": images(2), "train-labels-idx2-int": "x" });
    expect((await opened(wide)).warnings).toEqual([
      "train-labels-idx2-int beside train-images-idx3-ubyte is not read: labels are expected in " +
        "train-labels-idx1-ubyte, so the images have no classes",
    ]);
    const text = folder({ "train-images-idx3-ubyte": "<!doctype html><title>x</title>" });
    expect(await refusal(text)).toContain("an HTML page (a download that failed, or a login page)");
  });
});
