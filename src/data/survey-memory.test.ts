/** A second start from what an earlier one found out: fewer files are opened, and those that changed anew. */

import { readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { imageCodec } from "./decode.ts";
import { openData } from "./open.ts";

const { path, write } = temporaryFolder();
const grey = (value: number, channels: 1 | 3 = 1): Uint8Array =>
  encode({ height: 2, width: 2, channels, depth: 8, data: new Uint8Array(4 * channels).map((_, i) => value + i) });

const before = process.env.PIXELCNN_CACHE;
const info = imageCodec.info;
let opened = 0;
beforeAll(() => {
  process.env.PIXELCNN_CACHE = join(path, "cache");
  for (let i = 0; i < 1200; i++) write(`many/${String(i).padStart(4, "0")}.png`, grey(i % 200));
  imageCodec.info = (...args) => {
    opened++;
    return info(...args);
  };
});
afterAll(() => {
  imageCodec.info = info;
  if (before === undefined) delete process.env.PIXELCNN_CACHE;
  else process.env.PIXELCNN_CACHE = before;
});

async function open(): Promise<{ looked: number; length: number; channels: number }> {
  opened = 0;
  const { length, channels } = await openData(`${path}/many`, { split: "all" });
  return { looked: opened, length, channels };
}

test("only new and changed files are looked at again", async () => {
  expect(await open()).toEqual({ looked: 1200, length: 1200, channels: 1 });
  expect(await open()).toEqual({ looked: 0, length: 1200, channels: 1 });
  write("many/0000a.png", grey(3));
  expect(await open()).toEqual({ looked: 1, length: 1201, channels: 1 });
  const changed = write("many/0005.png", grey(9, 3));
  utimesSync(changed, 1, 1);
  expect(await open()).toEqual({ looked: 1, length: 1201, channels: 3 });
});

test("a file that grows to another size is found out, known or not", async () => {
  write("many/0007.png", encode({ height: 3, width: 2, channels: 1, depth: 8, data: new Uint8Array(6) }));
  await expect(open()).rejects.toThrow("received 2x2 for 0000.png and 3x2 for 0007.png");
  write("many/0007.png", grey(1));
});

test("a damaged or missing memory only costs time", async () => {
  const folder = join(path, "cache", "folders");
  const [file] = readdirSync(folder);
  const text = readFileSync(join(folder, file!), "utf8");
  for (const damaged of ["", "\0\0\0", text.slice(0, text.length / 2), text.replaceAll("\t", " ")]) {
    writeFileSync(join(folder, file!), damaged);
    expect(await open()).toMatchObject({ length: 1201, channels: 3 });
  }
  expect((await open()).looked).toBe(0);
  process.env.PIXELCNN_CACHE = join(write("a-file", "x"), "cache");
  expect((await open()).looked).toBe(1201);
  process.env.PIXELCNN_CACHE = join(path, "cache");
});
