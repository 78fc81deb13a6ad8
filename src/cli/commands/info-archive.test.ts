/**
 * `pixelcnn info <archive.pxc>`: its words and numbers, and what it says of files that are damaged, of another model,
 * or no archive at all.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeImages, encodeSingle } from "../../codec/codec.ts";
import { openPxc } from "../../codec/container.ts";
import { hex } from "../../codec/digest.ts";
import { openCodingModel } from "../../runs/archive-model.ts";
import { pixelcnn, scratchFolder } from "../command-line.test-support.ts";

const scratch = scratchFolder("info-archive");
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let digest = "";
beforeAll(async () => {
  const png = (path: string, width: number, height: number, level: (p: number) => number): void => {
    mkdirSync(dirname(at(path)), { recursive: true });
    const data = Uint8Array.from({ length: width * height }, (_, p) => level(p));
    writeFileSync(at(path), encode({ width, height, channels: 1, depth: 8, data }));
  };
  png("odd/a.png", 8, 6, (p) => (p % 3 === 0 ? 255 : 0));
  png("odd/b.png", 5, 9, () => 0);
  png("odd/c.png", 8, 6, () => 255);
  for (const words of [
    ["mnist:test:0-4", "-o", "digits.pxc", "--lossy-levels", "--group", "3"],
    ["odd", "-o", "odd.pxc"],
    ["odd/a.png", "-o", "a.pxc", "--single"],
  ])
    expect(await pixelcnn(["compress", "mnist-binary", ...words], { cwd: scratch })).toMatchObject({ code: 0 });
  // The same, as if a model that is nowhere had made them.
  const { predictor, close } = await openCodingModel("mnist-binary", 1);
  digest = hex(predictor.digest);
  const stranger = { ...predictor, digest: predictor.digest.map((byte) => byte ^ 1) };
  const image = { height: 2, width: 3, pixels: Uint8Array.of(0, 1, 1, 0, 0, 1) };
  writeFileSync(
    at("strange.pxc"),
    await encodeImages(stranger, [image], { notes: JSON.stringify({ format: 1, model: "runs/gone" }) }),
  );
  writeFileSync(at("strange-one.pxc"), await encodeSingle(stranger, image));
  await close();
});

const info = (...words: string[]) => pixelcnn(["info", ...words], { cwd: scratch });
const sizeOf = (name: string): number => readFileSync(at(name)).length;

test("images, model, sizes, bytes and bits/dim, for a person", async () => {
  const { stdout, code } = await info("digits.pxc");
  const bytes = sizeOf("digits.pxc");
  const [, payload] = /of which (\d+) are/.exec(stdout) ?? [];
  expect([code, stdout.trimEnd().split("\n")]).toEqual([
    0,
    [
      "archive   digits.pxc",
      "images    5: 28x28; 1 channel, 2 levels",
      "names     mnist/test/0 to mnist/test/4",
      "labels    of 5 images, 10 class names",
      "groups    2, of at most 3 images",
      `model     mnist-binary (step 1423), digest ${digest}`,
      `bytes     ${bytes}, of which ${payload} are the images`,
      `bits/dim  ${((8 * bytes) / 3920).toFixed(4)} (8 x file size / 3920 dims); the images alone ` +
        `${((8 * Number(payload)) / 3920).toFixed(4)}`,
      "lossless  NO: some images were taken to the nearest levels when they were compressed",
    ],
  ]);
});

test("several sizes, and images that are stored as they are, as JSON", async () => {
  const { stdout } = await info("odd.pxc", "--json");
  const file = openPxc(readFileSync(at("odd.pxc")));
  if (file.kind !== "archive") throw new Error("expected an archive");
  const bytes = sizeOf("odd.pxc");
  const sizes = [
    { height: 6, width: 8, count: 2 },
    { height: 9, width: 5, count: 1 },
  ];
  expect(JSON.parse(stdout)).toMatchObject({
    ...{
      kind: "archive",
      archive: "odd.pxc",
      images: 3,
      channels: 1,
      levels: 2,
      groups: 2,
      labels: 0,
      lossy: false,
      sizes,
    },
    digest,
    model: { name: "mnist-binary", step: 1423 },
    modelHint: "mnist-binary",
    bytes,
    dims: 2 * 48 + 45,
    bitsPerDim: (8 * bytes) / 141,
  });
  expect((await info("odd.pxc")).stdout).toMatch(/^images {4}3: 2 of 6x8, 1 of 9x5; 1 channel, 2 levels$/m);
});

test("a file of one image", async () => {
  const { stdout } = await info("a.pxc");
  const bytes = sizeOf("a.pxc");
  expect(stdout).toContain("archive   a.pxc, a file of one image\nimage     6x8; 1 channel, 2 levels\n");
  expect(stdout).toContain(`bits/dim  ${((8 * bytes) / 48).toFixed(4)} (8 x file size / 48 dims)`);
});

test("a model that is not here is named by its digest, and the rest is told all the same", async () => {
  const other = hex(Uint8Array.from(Buffer.from(digest, "hex"), (byte) => byte ^ 1));
  const many = await info("strange.pxc");
  expect([many.code, many.stdout]).toEqual([
    0,
    expect.stringContaining(
      `model     digest ${other}, named "runs/gone" when this was made: not among the shipped ones, nor where the ` +
        "archive says\n",
    ),
  ]);
  const one = await info("strange-one.pxc");
  expect(one.stdout).toContain("image    2x3, as the file says: only its model can check it\n");
  expect(one.stdout).toContain(
    `model    digest ${other.slice(0, 16)}...: not among the shipped ones, nor where the archive says\n`,
  );
  expect(one.stdout).not.toContain("bits/dim");
});

test("a file without the ending is known by its first bytes", async () => {
  writeFileSync(at("renamed"), readFileSync(at("digits.pxc")));
  expect((await info("renamed")).stdout).toContain("archive   renamed\nimages    5: 28x28;");
});

test("what is damaged, cut, missing or no archive is refused in the words of decompress", async () => {
  const bytes = readFileSync(at("digits.pxc"));
  const file = openPxc(bytes);
  if (file.kind !== "archive") throw new Error("expected an archive");
  const group = file.groups[1]!.offset;
  writeFileSync(
    at("damaged.pxc"),
    bytes.map((byte, i) => (i === group + 20 ? byte ^ 16 : byte)),
  );
  writeFileSync(at("cut.pxc"), bytes.subarray(0, bytes.length - 5));
  writeFileSync(at("junk.pxc"), "not an archive");
  const cases: [string, RegExp][] = [
    [
      "damaged.pxc",
      new RegExp(
        `^error: damaged.pxc: byte ${group + 1}: expected CRC-32 [0-9a-f]{8} for the group's bytes but found `,
      ),
    ],
    [
      "cut.pxc",
      /^error: cut.pxc: byte \d+: expected .* \(truncated, or bytes appended\?\) for the directory's length but found /,
    ],
    [
      "junk.pxc",
      /^error: junk.pxc: byte 0: expected 89707863 for the file's first bytes but found 6e6f7420: not a .pxc file\n$/,
    ],
    ["none.pxc", /^error: expected an archive at none.pxc but there is no such file\n$/],
  ];
  for (const [name, words] of cases) {
    const { code, stderr, stdout } = await info(name);
    expect([code, stdout, stderr]).toEqual([1, "", expect.stringMatching(words)]);
    const listed = await pixelcnn(["decompress", name, "--list"], { cwd: scratch });
    expect(listed.stderr).toBe(stderr);
  }
});
