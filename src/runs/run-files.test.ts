/** What a run is told of its data when it goes on: each kind of change by its own words, and nothing without one. */

import { cpSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { changesOf, describeChanges, filesOfSource } from "./run-files.ts";

const { path } = temporaryFolder();
let folders = 0;

const put = (folder: string, name: string, text: string): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
};

test.each<[string, (folder: string) => void, string | null]>([
  ["nothing", () => undefined, null],
  ["a new image", (f) => put(f, "new.png", "x"), "1 file added (new.png)"],
  ["an image that is gone", (f) => rmSync(join(f, "a.png")), "1 file gone (a.png)"],
  ["another image of the same name", (f) => put(f, "a.png", "other"), "1 file changed (a.png)"],
  ["the same number of bytes, changed", (f) => put(f, "a.png", "A"), "1 file changed (a.png)"],
  ["the same image, written again", (f) => put(f, "a.png", "a"), null],
  ["another time of change alone", (f) => utimesSync(join(f, "a.png"), 1, 1), null],
  ["a new name", (f) => renameSync(join(f, "a.png"), join(f, "z.png")), "1 file added (z.png), 1 file gone (a.png)"],
  [
    "a new class",
    (f) => renameSync(join(f, "cat"), join(f, "dog")),
    "2 files added (dog/1.png, dog/2.png), 2 files gone (cat/1.png, cat/2.png)",
  ],
  ["a caption", (f) => put(f, "a.txt", "another text"), "1 file changed (a.txt)"],
  ["a table of captions", (f) => put(f, "metadata.csv", "file_name\na.png"), "1 file added (metadata.csv)"],
  ["what is no data", (f) => put(f, "notes.pdf", "x"), null],
  ["a hidden file", (f) => put(f, ".DS_Store", "x"), null],
  [
    "a run of ours",
    (f) => ["config.json", "log.jsonl", "samples/1.png"].map((name) => put(f, `run/${name}`, "{}")),
    null,
  ],
  ["an image by a link", (f) => symlinkSync("a.png", join(f, "link.png")), "1 file added (link.png)"],
])("%s", async (_, change, words) => {
  const folder = join(path, String(folders++));
  for (const [name, text] of Object.entries({ "a.png": "a", "a.txt": "a text", "cat/1.png": "1", "cat/2.png": "2" }))
    put(folder, name, text);
  const before = (await filesOfSource(folder))!;
  change(folder);
  const now = (await filesOfSource(folder, before))!;
  expect(describeChanges(changesOf(before, now))).toBe(words);
});

test("a copy elsewhere holds the same files, a named set has no list", async () => {
  const folder = join(path, "original");
  put(folder, "a.png", "a");
  const before = (await filesOfSource(folder))!;
  cpSync(folder, join(path, "copy"), { recursive: true });
  expect(describeChanges(changesOf(before, (await filesOfSource(join(path, "copy")))!))).toBe(null);
  expect([await filesOfSource("mnist"), await filesOfSource(join(path, "nowhere"))]).toEqual([null, null]);
});
