import { encode } from "fast-png";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import type { Dataset } from "./dataset.ts";
import { openData, openSplits } from "./open.ts";

const { path, write } = temporaryFolder();
const pixel = encode({ height: 1, width: 1, channels: 1, depth: 8, data: new Uint8Array([9]) });
const captionsOf = (dataset: Dataset): Record<string, readonly string[]> =>
  Object.fromEntries(Array.from({ length: dataset.length }, (_, i) => [dataset.nameOf(i), dataset.captionsOf!(i)]));

test("captions.jsonl names files and gives each one text or several", async () => {
  for (const file of ["a.png", "cat/b.png", "cat/c.png", "d.png"]) write(`list/${file}`, pixel);
  write(
    "list/captions.jsonl",
    [
      '{"file": "cat/b.png", "text": ["a cat", "a black cat"]}',
      "",
      '{"file": "./a.png", "text": " a house "}',
      '{"file": "cat/b.png", "text": "ein Kätzchen 🐈"}',
      '{"file": "d.png", "text": []}',
    ].join("\r\n"),
  );
  // Beside a list, files of text are only files.
  write("list/cat/c.txt", "not read");
  const all = await openData(`${path}/list`, { split: "all" });
  expect(captionsOf(all)).toEqual({
    "a.png": ["a house"],
    "cat/b.png": ["a cat", "a black cat", "ein Kätzchen 🐈"],
    "cat/c.png": [],
    "d.png": [],
  });
  await checkDataset(all);
});

test("a .txt beside an image holds its captions, a line each", async () => {
  for (const file of ["train/1.png", "train/2.jpeg.png", "test/3.png"]) write(`beside/${file}`, pixel);
  write("beside/train/1.txt", "a cat\n\n a black cat \r\n");
  write("beside/train/2.jpeg.txt", "a dog");
  write("beside/train/notes.txt", "no image of that name");
  write("beside/test/3.txt", "a bird");
  const { train, test: tests } = await openSplits(`${path}/beside`);
  expect(captionsOf(train)).toEqual({ "train/1.png": ["a cat", "a black cat"], "train/2.jpeg.png": ["a dog"] });
  expect(captionsOf(tests)).toEqual({ "test/3.png": ["a bird"] });
  expect(captionsOf(await openData(`${path}/beside`, { split: "all" }))).toEqual({
    ...captionsOf(train),
    ...captionsOf(tests),
  });
});

test("a list comes before tables of metadata, which are named as left out", async () => {
  for (const file of ["a.png", "b.png"]) write(`both/${file}`, pixel);
  write("both/captions.jsonl", '{"file": "a.png", "text": "from the list"}');
  write("both/metadata.csv", "file_name,text\na.png,from the table\n");
  const warnings: string[] = [];
  const all = await openData(`${path}/both`, { split: "all", onWarning: (text) => warnings.push(text) });
  expect(captionsOf(all)).toEqual({ "a.png": ["from the list"], "b.png": [] });
  expect(warnings).toEqual([`${path}/both: metadata.csv is left out, since there is a captions.jsonl`]);
});

test("images that were skipped take no caption from their neighbours", async () => {
  for (const file of ["a", "b", "c"]) {
    write(`skipped/${file}.png`, file === "b" ? "broken" : pixel);
    write(`skipped/${file}.txt`, `caption ${file}`);
  }
  const all = await openData(`${path}/skipped`, { split: "all", onBroken: "skip" });
  expect(captionsOf(all)).toEqual({ "a.png": ["caption a"], "c.png": ["caption c"] });
});

test("a folder without captions has none to ask for", async () => {
  write("bare/a.png", pixel);
  write("bare/README.txt", "hello");
  expect((await openData(`${path}/bare`, { split: "all" })).captionsOf).toBeUndefined();
});

test("a list that names a missing file, or is no list, is refused with its line", async () => {
  write("wrong/a.png", pixel);
  const list = (content: string): string => write("wrong/captions.jsonl", content);
  const file = list('{"file": "a.png", "text": "a"}\n{"file": "b.png", "text": "b"}');
  await expect(openData(`${path}/wrong`)).rejects.toThrow(
    `expected an image at ${path}/wrong/b.png, as line 2 of ${file} says, but there is none`,
  );
  list('{"file": "a.png"');
  await expect(openData(`${path}/wrong`)).rejects.toThrow(
    `expected JSON in line 1 of ${file} but received {"file": "a.png"`,
  );
  list('{"file": "a.png", "text": 3}');
  await expect(openData(`${path}/wrong`)).rejects.toThrow(
    `expected {"file", "text"} in line 1 of ${file}, text or a list of texts, but received {"file": "a.png", ` +
      `"text": 3}`,
  );
  list('{"file": "a.png", "text": ""}');
  await expect(openData(`${path}/wrong`)).rejects.toMatchObject({ kind: "data" });
});
