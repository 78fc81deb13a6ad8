/** Listings of folders that cannot be read whole, and of names that are no text. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { describe, expect, test, vi } from "vitest";
import { temporaryFolder } from "../../test/data/temporary-folder.ts";
import { describePassed, isImageFile, listImages, lookalikes, passedOver } from "./listing.ts";
import { openData } from "./open.ts";

// Tests may run as root, who may read everything: a folder of this name is refused as a system would.
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const readdir = (path: string, options: object): unknown =>
    String(path).endsWith("locked")
      ? Promise.reject(Object.assign(new Error("EACCES: permission denied, scandir"), { code: "EACCES" }))
      : real.readdir(path, options);
  return { ...real, readdir };
});

const { path, write } = temporaryFolder();
const png = encode({ height: 2, width: 2, channels: 1, depth: 8, data: new Uint8Array(4) });

describe("a subfolder that cannot be read", () => {
  test("is an error that calls it a folder, or passed over and named", async () => {
    write("some/a.png", png);
    mkdirSync(join(path, "some/locked"));
    const message = `expected a readable folder at ${path}/some/locked but received: permission denied`;
    await expect(listImages(`${path}/some`)).rejects.toMatchObject({ kind: "io", message });
    const listing = await listImages(`${path}/some`, "skip");
    expect(listing.files).toEqual(["a.png"]);
    expect(describePassed(passedOver(listing))).toBe(`1 file passed over: 1 that cannot be read (${message})`);
    const warnings: string[] = [];
    const options = { split: "all", onBroken: "skip", onWarning: (text: string) => warnings.push(text) } as const;
    expect((await openData(`${path}/some`, options)).length).toBe(1);
    expect(warnings).toEqual([`${path}/some: 1 file passed over: 1 that cannot be read (${message})`]);
  });
});

test("a name that is not UTF-8 is named as it can be, and asked to be changed", async () => {
  write("names/a.png", png);
  writeFileSync(Buffer.concat([Buffer.from(`${path}/names/b`), Buffer.from([0xff]), Buffer.from(".png")]), png);
  await expect(listImages(`${path}/names`)).rejects.toMatchObject({
    kind: "io",
    message: `expected names in UTF-8 but received ${path}/names/b\uFFFD.png, whose name is none: rename it`,
  });
  const listing = await listImages(`${path}/names`, "skip");
  expect([listing.files, listing.passed.length]).toEqual([["a.png"], 1]);
});

test("links to nothing are images by their names, and loops are refused or passed over", async () => {
  write("links/a.png", png);
  symlinkSync("nowhere.png", join(path, "links/gone.png"));
  symlinkSync("self", join(path, "links/self"));
  await expect(listImages(`${path}/links`)).rejects.toThrow("expected links without a loop");
  const listing = await listImages(`${path}/links`, "skip");
  expect([listing.files, listing.passed.map(({ why }) => why)]).toEqual([["a.png", "gone.png"], ["cannot be read"]]);
});

test("a file is an image by its name or its first bytes", async () => {
  for (const [name, content, is] of [
    ["a.png", "text", true],
    ["a", png, true],
    ["a.dat", png, true],
    ["b.dat", "text", false],
    ["a.txt", png, false],
    ["a.bmp", "BM", false],
    ["P5", "P5 1 1 255 x", true],
  ] as const)
    expect(await isImageFile(write(`kinds/${name}`, content)), name).toBe(is);
});

test("lookalikes are names that some disk takes for one", () => {
  expect(lookalikes(["a", "A", "\u00e9", "e\u0301", "b"])).toEqual([
    ["a", "A"],
    ["\u00e9", "e\u0301"],
  ]);
});
