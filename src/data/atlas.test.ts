import { encode } from "fast-png";
import { expect, test } from "vitest";
import { checkDataset } from "../../test/data/check-dataset.ts";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { openData } from "./open.ts";

const { path, write } = temporaryFolder();
const lines = (...values: unknown[]): string => `${values.map((value) => JSON.stringify(value)).join("\n")}\n`;

/** 2 x 3 tiles of 2 x 4 pixels, tile k filled with 10 k. */
const atlas = encode({
  height: 4,
  width: 12,
  channels: 1,
  depth: 8,
  data: Uint8Array.from({ length: 48 }, (_, p) => 10 * (Math.floor(p / 24) * 3 + Math.floor((p % 12) / 4))),
});

test("tiles are cut in raster order and named by the lines", async () => {
  const file = write("a/a.png", atlas);
  write(
    "a/a.jsonl",
    lines(
      { tile: [2, 4], columns: 3 },
      { name: "p", label: "x" },
      { name: "q", label: "y" },
      { name: "r" },
      { name: "s", label: "x" },
    ),
  );
  for (const spec of [file, `${path}/a/a.jsonl`, `${path}/a`]) {
    const all = await openData(spec, { split: "all" });
    expect([all.length, all.height, all.width, all.channels, all.classes, all.nameOf(3)]).toEqual([
      4,
      2,
      4,
      1,
      ["x", "y"],
      "s",
    ]);
    const { pixels, labels } = await all.batch([3, 1]);
    expect([...pixels]).toEqual([...new Array(8).fill(30), ...new Array(8).fill(10)]);
    expect([...labels]).toEqual([0, 1]);
    await checkDataset(all);
  }
});

test("splits are named by the lines, and the size may be given instead", async () => {
  write("b/b.png", atlas);
  write(
    "b/b.jsonl",
    lines(
      { name: "p", split: "train", label: 4, captions: ["a p", "the letter p"] },
      { name: "q", split: "test", label: 1 },
      { name: "r", split: "train", label: 0 },
    ),
  );
  await expect(openData(`${path}/b`)).rejects.toThrow(`expected the size of a tile for ${path}/b/b.png`);
  const train = await openData(`${path}/b`, { height: 2, width: 4 });
  expect([train.length, train.nameOf(1), train.classes]).toEqual([2, "r", ["0", "1", "2", "3", "4"]]);
  expect([train.captionsOf!(0), train.captionsOf!(1)]).toEqual([["a p", "the letter p"], []]);
  await checkDataset(train);
});

test("lines and images that do not fit are refused", async () => {
  const refuse = async (text: string): Promise<void> => {
    write("c/c.png", atlas);
    write("c/c.jsonl", text);
    await openData(`${path}/c`, { height: 2, width: 4, split: "all" });
  };
  await expect(refuse("{")).rejects.toThrow(`expected JSON in line 1 of ${path}/c/c.jsonl but received {`);
  await expect(refuse(lines({ name: "p", lable: 3 }))).rejects.toThrow(
    'expected {"name", "label"?, "split"?, "captions"?} in line 1',
  );
  await expect(refuse(lines({ name: "p" }, { name: "p" }))).rejects.toThrow("but received p twice");
  await expect(refuse(lines({ name: "p", label: 1 }, { name: "q", label: "x" }))).rejects.toThrow(
    "all words or all numbers",
  );
  await expect(refuse(lines({ name: "p", split: "test" }, { name: "q" }))).rejects.toThrow("but received it in 1 of 2");
  await expect(refuse(lines(...Array.from({ length: 7 }, (_, i) => ({ name: String(i) }))))).rejects.toThrow(
    "expected room for 7 tiles of 2x4, 3 a row",
  );
  await expect(refuse("\n")).rejects.toThrow("expected a line for each tile");
});
