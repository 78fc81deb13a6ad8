import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterEach, expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { datasetFromArrays } from "../data/dataset.ts";
import { readNpy } from "../data/npy.ts";
import { openData, openSplits } from "../data/open.ts";
import { withVectors } from "../data/with-vectors.ts";
import { captionVectors } from "./caption-vectors.ts";
import type { TextEmbedder } from "./sentence-vectors.ts";

const { path, write } = temporaryFolder();
const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});

/** A text as its length and its first and last character; `asked` are the texts it was given. */
function counting(name = "counting@1"): TextEmbedder & { asked: string[] } {
  const asked: string[] = [];
  return {
    name,
    asked,
    async embed(texts) {
      asked.push(...texts);
      const rows = texts.flatMap((text) => [text.length, text.charCodeAt(0), text.charCodeAt(text.length - 1)]);
      return { vectors: Float32Array.from(rows), size: 3 };
    },
  };
}
const rowOf = (text: string): number[] => [text.length, text.charCodeAt(0), text.charCodeAt(text.length - 1)];

const pixel = encode({ height: 1, width: 1, channels: 1, depth: 8, data: new Uint8Array([9]) });
function folder(name: string, captions: Record<string, string[]>): string {
  for (const file of Object.keys(captions)) write(`${name}/${file}`, pixel);
  const lines = Object.entries(captions).map(([file, text]) => JSON.stringify({ file, text }));
  write(`${name}/captions.jsonl`, lines.join("\n"));
  return join(path, name);
}
const pets = {
  "a.png": ["a cat", "black cat"],
  "b.png": [],
  "c.png": ["a dog"],
  "d.png": ["a cat"],
  "e.png": ["ein Kätzchen"],
};

test("an image's captions are its variants; each text is embedded once; all is kept beside the data", async () => {
  const spec = folder("pets", pets);
  const data = await openData(spec, { split: "all" });
  const embedder = counting();
  const progress: object[] = [];
  const first = await captionVectors(data, { embedder, onProgress: (of) => progress.push(of) });
  expect(embedder.asked).toEqual(["a cat", "black cat", "a dog", "ein Kätzchen"]);
  expect(progress).toEqual([{ done: 4, total: 4 }]);
  expect([first.size, first.encoder, [...first.variants.offsets]]).toEqual([3, "counting@1", [0, 2, 2, 3, 4, 5]]);
  expect([...first.vectors]).toEqual(["a cat", "black cat", "a dog", "a cat", "ein Kätzchen"].flatMap(rowOf));
  const conditioned = withVectors(data, first.vectors, first.size, { variants: first.variants });
  await checkDataset(conditioned);
  const { vectors } = await conditioned.batch([3, 1]);
  expect([...vectors!]).toEqual([...rowOf("a cat"), 0, 0, 0]);

  expect(readdirSync(spec).filter((file) => file.startsWith("."))).toEqual([
    ".pixelcnn-text.json",
    ".pixelcnn-text.npy",
  ]);
  expect(readNpy(readFileSync(join(spec, ".pixelcnn-text.npy")), "kept").shape).toEqual([4, 3]);
  const again = counting();
  expect(await captionVectors(await openData(spec, { split: "all" }), { embedder: again })).toEqual(first);
  expect(again.asked).toEqual([]);
});

test("splits and new captions add to what is kept; another embedder begins anew", async () => {
  const spec = folder("more", pets);
  const { train, test: tests } = await openSplits(spec, { testFraction: 0.5 });
  const embedder = counting();
  await captionVectors(train, { embedder });
  await captionVectors(tests, { embedder });
  expect(embedder.asked.toSorted()).toEqual(["a cat", "a dog", "black cat", "ein Kätzchen"]);
  folder("more", { ...pets, "b.png": ["a bird"] });
  const data = await openData(spec, { split: "all" });
  await captionVectors(data, { embedder });
  expect(embedder.asked.slice(4)).toEqual(["a bird"]);
  const other = counting("counting@2");
  await captionVectors(data, { embedder: other });
  expect(other.asked).toHaveLength(5);
});

test("what was kept and then damaged is made again", async () => {
  const spec = folder("damaged", pets);
  const data = await openData(spec, { split: "all" });
  const whole = await captionVectors(data, { embedder: counting() });
  const damages: [string, (file: string) => void][] = [
    [".pixelcnn-text.npy", (file) => writeFileSync(file, readFileSync(file).subarray(0, 100))],
    [".pixelcnn-text.npy", (file) => writeFileSync(file, readFileSync(file).fill(7, 130))],
    [".pixelcnn-text.json", (file) => writeFileSync(file, "{")],
    [".pixelcnn-text.json", (file) => writeFileSync(file, '{"format": 2}')],
  ];
  for (const [file, damage] of damages) {
    damage(join(spec, file));
    const embedder = counting();
    expect(await captionVectors(data, { embedder })).toEqual(whole);
    expect(embedder.asked).toHaveLength(4);
  }
});

test("a folder that cannot be written leaves the vectors in the cache, with a warning", async () => {
  const spec = folder("locked", pets);
  // Root may write into any folder, so a folder in the file's place stands for one that is locked.
  mkdirSync(join(spec, ".pixelcnn-text.npy"));
  process.env.PIXELCNN_CACHE = join(path, "cache");
  const data = await openData(spec, { split: "all" });
  const warnings: string[] = [];
  const first = await captionVectors(data, { embedder: counting(), onWarning: (text) => warnings.push(text) });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(
    new RegExp(
      `^the vectors of the captions cannot be kept as ${spec}/.pixelcnn-text.npy \\(.*\\): they are kept as ` +
        `${path}/cache/text/[0-9a-f]{32}.npy instead$`,
    ),
  );
  const again = counting();
  expect(await captionVectors(data, { embedder: again })).toEqual(first);
  expect(again.asked).toEqual([]);
  expect(readdirSync(spec).filter((file) => file.includes("part"))).toEqual([]);

  write("cache-file", "");
  process.env.PIXELCNN_CACHE = join(path, "cache-file");
  expect(await captionVectors(data, { embedder: counting(), onWarning: (text) => warnings.push(text) })).toEqual(first);
  expect(warnings.at(-1)).toMatch(/cannot be kept as .*cache-file\/text\/.*: they are not kept$/);
});

test("a named set's vectors are kept in the cache under its name, and a folder may be given", async () => {
  process.env.PIXELCNN_CACHE = join(path, "own-cache");
  const captionsOf = (): string[] => ["one", "two"];
  const parts = { split: "train", height: 1, width: 1, channels: 1, levels: 2, classes: null, captionsOf };
  await captionVectors(datasetFromArrays({ name: "emoji", ...parts }, new Uint8Array(1)), { embedder: counting() });
  expect(existsSync(join(path, "own-cache", "text", "emoji.npy"))).toBe(true);
  const mine = datasetFromArrays({ name: "mine", ...parts }, new Uint8Array(1));
  await captionVectors(mine, { embedder: counting(), folder: join(path, "mine") });
  expect(readdirSync(join(path, "mine"))).toEqual([".pixelcnn-text.json", ".pixelcnn-text.npy"]);
});

test("a data set without captions says how to give some", async () => {
  const bare = datasetFromArrays(
    { name: "bare", split: "train", height: 1, width: 1, channels: 1, levels: 2, classes: null },
    new Uint8Array(1),
  );
  await expect(captionVectors(bare)).rejects.toThrow(
    'expected captions for the images of bare but it has none: a captions.jsonl of {"file", "text"} or a .txt ' +
      "beside each image gives them",
  );
  await expect(captionVectors({ ...bare, captionsOf: () => [] })).rejects.toThrow(
    "expected captions for some images of bare (train) but received none",
  );
});
