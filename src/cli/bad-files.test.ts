/**
 * Files that cannot be used, through the commands: all of them are named at once, or left out and named; nothing is
 * left out of an archive silently, and names come back as they were.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { encode as encodePng } from "fast-png";
import { parquetWriteBuffer } from "hyparquet-writer";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pngFile, tiffFile } from "../data/image-files.test-support.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import complete from "./commands/complete.ts";
import compress from "./commands/compress.ts";
import decompress from "./commands/decompress.ts";
import evaluate from "./commands/eval.ts";
import score from "./commands/score.ts";
import type { Command } from "./run-command.ts";
import { modelAt, NETWORK } from "./small-models.test-support.ts";

const root = mkdtempSync(join(tmpdir(), "pixelcnn-bad-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (...parts: string[]): string => join(root, ...parts);
const model = at("model");

function put(path: string, content: Uint8Array | string): string {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
  return at(path);
}
/** 8x8, two levels. */
const picture = (seed: number): Uint8Array =>
  encodePng({
    height: 8,
    width: 8,
    channels: 1,
    depth: 8,
    data: Uint8Array.from({ length: 64 }, (_, p) => ((p * seed + (p >> 3)) % 3 === 0 ? 255 : 0)),
  });
const run = async (command: Command, ...words: string[]): Promise<Ran> => {
  const ran = await runCommand(command, ...words);
  const clean = (text: string): string => text.replaceAll(`${root}/`, "");
  return { ...ran, text: clean(ran.text), messages: clean(ran.messages) };
};
const messageOf = ({ json }: Ran): string => String(json.error?.message ?? "no error").replaceAll(`${root}/`, "");

beforeAll(() => {
  modelAt(model, NETWORK, { data: { source: "none", binarise: "threshold" } });
  for (const [i, name] of ["a.png", "b/c.png", "b/d.png"].entries()) put(`mixed/${name}`, picture(i + 1));
  put("mixed/broken.png", picture(9).subarray(0, 60));
  put("mixed/page.png", "<!doctype html><title>404</title>");
  put("mixed/deep.png", pngFile({ type: "grey", depth: 16, width: 8, height: 8, value: () => 40_000 }));
  put("mixed/notes.txt", "notes");
  put("mixed/old.bmp", "BM");
  put("mixed/.DS_Store", "x");
  put("mixed/@eaDir/x.png", picture(1));
});

describe("a folder of which some files cannot be coded", () => {
  test("names all of them at once, and writes nothing", async () => {
    const ran = await run(compress, model, at("mixed"), "-o", at("none.pxc"));
    expect(ran.code).toBe(1);
    const lines = messageOf(ran).split("\n");
    expect(lines).toEqual([
      "3 of 6 images cannot be used:",
      expect.stringMatching(/^ {2}expected an image that can be decoded for mixed\/broken\.png but received: /),
      "  expected 8 bits a channel, one page, and grey or RGB colours in mixed/deep.png, to keep it without loss, but " +
        "received 16 bits a channel",
      expect.stringMatching(
        /^ {2}expected an image that can be decoded for mixed\/page\.png but received an HTML page/,
      ),
      "--on-broken skip leaves them out",
    ]);
    expect(readdirSync(root)).not.toContain("none.pxc");
  });

  test("leaves them out where asked, counts everything, and ends with 1", async () => {
    const ran = await run(compress, model, at("mixed"), "-o", at("some.pxc"), "--on-broken", "skip");
    expect([ran.code, ran.json.images, ran.json.of]).toEqual([1, 3, 10]);
    expect(
      ran.json.leftOut.map(({ name, reason }: { name: string; reason: string }) =>
        `${name}: ${reason}`.replaceAll(`${root}/`, "").slice(0, 60),
      ),
    ).toEqual([
      ".DS_Store: hidden",
      "@eaDir/: of the system",
      "notes.txt: no image",
      "old.bmp: a format that is not read",
      expect.stringContaining("expected an image that can be decoded for mixed/broken.png"),
      expect.stringContaining("expected 8 bits a channel"),
      expect.stringContaining("expected an image that can be decoded for mixed/page.png"),
    ]);
    expect(ran.text).toContain(
      "\n3 of 10 files and images; left out: .DS_Store (hidden), @eaDir/ (of the system), notes.txt",
    );
    await run(decompress, at("some.pxc"), "-o", at("some"), "--model", model);
    expect(readdirSync(at("some"), { recursive: true }).sort()).toEqual(["a.png", "b", "b/c.png", "b/d.png"]);
    for (const name of ["a.png", "b/c.png", "b/d.png"])
      expect(await sharp(at("some", name)).raw().toBuffer()).toEqual(await sharp(at("mixed", name)).raw().toBuffer());
  });

  test("score and complete do alike", async () => {
    expect(messageOf(await run(score, model, at("mixed")))).toMatch(/^2 of 6 images cannot be used:/);
    const csv = at("scores.csv");
    const scored = await run(score, model, at("mixed"), "--on-broken", "skip", "--csv", csv);
    expect([scored.code, scored.json.images, scored.json.of]).toEqual([1, 4, 10]);
    expect(scored.messages).toContain(
      "deep.png has 16 bits a channel; it is taken as 8 bits, and so are others like it",
    );
    expect(readFileSync(csv, "utf8").split("\n")).toHaveLength(6);
    const files = [at("mixed/a.png"), at("mixed/broken.png"), at("mixed/page.png")];
    const wanted = ["--rows", "4", "-n", "1", "-o", at("completed.png")];
    expect(messageOf(await run(complete, model, ...files, ...wanted))).toMatch(/^2 of 3 images cannot be read:/);
    const done = await run(complete, model, ...files, ...wanted, "--on-broken", "skip");
    expect([done.code, done.json.skipped, done.json.images.length]).toEqual([1, 2, 1]);
  });

  test.each<[string, string[], RegExp]>([
    [
      "a missing file among others",
      ["mixed/a.png", "nowhere.png"],
      /but received ".*nowhere.png", and there is no such/,
    ],
    [
      "a broken file in the second folder",
      ["b", "useless"],
      /^expected an image.* for useless\/a.png but received text/,
    ],
    ["more than a message holds", ["many"], /^30 of 31 images cannot be used:(\n {2}.*){20}\n {2}and 10 more\n--on/],
    ["a broken one beyond the limit", ["mixed", "--limit", "1"], /^no error$/],
    ["a broken one within the limit", ["mixed", "--limit", "4"], /broken.png/],
    ["a file that is a folder's name", ["mixed/b", "mixed/notes.txt"], /notes.txt/],
  ])("%s", async (_, words, message) => {
    put("useless/a.png", "text");
    put("b/a.png", picture(5));
    put("many/good.png", picture(6));
    for (let i = 0; i < 30; i++) put(`many/${i}.png`, "text");
    const places = words.map((word) => (/^(-|\d)/.test(word) ? word : at(word)));
    expect(messageOf(await run(score, model, ...places))).toMatch(message);
  });

  test("a folder with nothing that can be used is an error, skip or not", async () => {
    put("useless/a.png", "text");
    for (const more of [[], ["--on-broken", "skip"]])
      expect((await run(compress, model, at("useless"), "-o", at("useless.pxc"), ...more)).code).toBe(1);
    expect(messageOf(await run(score, model, at("mixed"), "--on-broken", "drop"))).toBe(
      'expected error or skip for --on-broken but received "drop"',
    );
  });
});

describe("all data, under their names", () => {
  const idx = (bytes: readonly number[], axes: readonly number[]): Buffer =>
    Buffer.concat([
      Buffer.from([0, 0, 8, axes.length]),
      ...axes.map((n) => Buffer.from([0, 0, 0, n])),
      Buffer.from(bytes),
    ]);

  test("data without splits are compressed whole unless --split says otherwise", async () => {
    const values = Array.from({ length: 40 * 64 }, (_, i) => (i % 3 ? 0 : 255));
    put("idx/images-idx3-ubyte", idx(values, [40, 8, 8]));
    const all = await run(compress, model, at("idx"), "-o", at("idx.pxc"));
    expect([all.json.images, all.json.of, all.json.leftOut]).toEqual([40, 40, []]);
    const tests = await run(compress, model, at("idx"), "--split", "test", "-o", at("idx-test.pxc"));
    expect(tests.json.images).toBeLessThan(20);
    const limited = await run(compress, model, at("idx"), "--limit", "5", "-o", at("idx-limit.pxc"));
    expect(limited.text).toContain("5 of 40 files and images; 35 are beyond --limit");
  });

  test("names of 255 bytes and deep folders come back; what must change is said", async () => {
    const long = `${"x".repeat(247)}.png`;
    const deep = `${"d/".repeat(12)}e.png`;
    const names = [long, deep, "a.png", "a.jpg", "a.webp", "what?.png", "日本/猫.png"];
    for (const [i, name] of names.entries()) put(`names/${name}`, picture(i + 1));
    await run(compress, model, at("names"), "-o", at("names.pxc"));
    const listed = await run(decompress, at("names.pxc"), "--list");
    expect(listed.text).toContain("8x8  a.jpg  written as a (2).png");
    expect(listed.text).toContain("8x8  what?.png  written as what_.png");
    const back = await run(decompress, at("names.pxc"), "-o", at("names-back"), "--model", model);
    expect(back.text.split("\n").slice(1).sort()).toEqual([
      "  a.jpg is written as a (2).png",
      "  a.webp is written as a (3).png",
      "  what?.png is written as what_.png",
    ]);
    for (const [from, to] of [
      [long, long],
      [deep, deep],
      ["a.png", "a.png"],
      ["a.jpg", "a (2).png"],
      ["日本/猫.png", "日本/猫.png"],
    ] as const)
      expect(await sharp(at("names-back", to)).raw().toBuffer(), from).toEqual(
        await sharp(readFileSync(at("names", from)))
          .raw()
          .toBuffer(),
      );
  });

  test("rows of a Parquet file that are left out are named, as files are", async () => {
    const images = [picture(1), Buffer.from("text"), picture(3)];
    const data = [{ name: "image", data: images, type: "BYTE_ARRAY" as const }];
    put("rows.parquet", new Uint8Array(parquetWriteBuffer({ columnData: data })));
    const ran = await run(compress, model, at("rows.parquet"), "-o", at("rows.pxc"), "--on-broken", "skip");
    expect([ran.code, ran.json.images, ran.json.of, ran.json.leftOut.length]).toEqual([1, 2, 3, 1]);
    expect(ran.text).toContain("2 of 3 files and images; left out: expected an image that can be decoded for row 1 of");
  });

  test("names with control characters are shown without them", async () => {
    put("odd/new\nline\tand\u001b[31mred.png", picture(3));
    put("odd/b.png", picture(4));
    const scored = await run(score, model, at("odd"));
    expect(scored.text).toContain("odd/new\\nline\\tand\\x1b[31mred.png");
    await run(compress, model, at("odd"), "-o", at("odd.pxc"));
    expect((await run(decompress, at("odd.pxc"), "--list")).text).toContain(
      "new\\nline\\tand\\x1b[31mred.png  written as new_line_and_[31mred.png",
    );
  });

  test("an archive that is larger than its files says so", async () => {
    const noise = Buffer.from(Array.from({ length: 64 * 64 }, (_, i) => ((i * i * 7) % 251 > 125 ? 255 : 0)));
    put(
      "small/a.png",
      await sharp(Buffer.alloc(64 * 64), { raw: { width: 64, height: 64, channels: 1 } })
        .png()
        .toBuffer(),
    );
    put(
      "small/b.webp",
      await sharp(noise, { raw: { width: 64, height: 64, channels: 1 } })
        .webp({ lossless: true })
        .toBuffer(),
    );
    const ran = await run(compress, model, at("small"), "-o", at("small.pxc"));
    expect(ran.messages).toMatch(
      /warning: the archive is larger than the files in it, \d+ bytes to \d+: keep the files/,
    );
  });
});

describe("what compress cannot keep is refused, file by file", () => {
  const noise = Buffer.from(Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * i * 7) % 251));
  const colour = sharp(noise, { raw: { width: 16, height: 16, channels: 3 } });
  const two = sharp(noise, { raw: { width: 16, height: 16, channels: 3, pageHeight: 8 } });
  const page = { width: 8, height: 8, samples: 1, bits: 8, value: (i: number) => (i % 2) * 255 } as const;
  const acTL = ["acTL", new Uint8Array([0, 0, 0, 2, 0, 0, 0, 0])] as const;
  const grey = { type: "grey", depth: 8, width: 8, height: 8, value: (y: number) => (y % 2) * 255 } as const;
  test.each([
    ["an animated PNG", () => pngFile({ ...grey, chunks: [acTL] }), "several frames (APNG)"],
    ["an animated GIF", () => two.clone().gif().toBuffer(), "2 frames"],
    ["an animated WebP", () => two.clone().webp().toBuffer(), "2 frames"],
    ["a TIFF of two pages", () => tiffFile([page, page]), "2 pages"],
    ["a TIFF with a thumbnail", () => tiffFile([{ ...page, width: 2, height: 2 }, page]), "2 pages of 2x2, 8x8"],
    ["a TIFF of 5 channels", () => tiffFile([{ ...page, samples: 5 }]), "5 channels"],
    ["a TIFF of floats", () => tiffFile([{ ...page, bits: 32, kind: 3 }]), "values of the kind float"],
    ["CMYK", () => colour.clone().toColourspace("cmyk").jpeg().toBuffer(), "colours of the kind cmyk"],
    ["16 bits", () => pngFile({ ...grey, depth: 16, value: () => 65_535 }), "16 bits a channel"],
    [
      "a PGM of 1000 levels",
      () => Buffer.concat([Buffer.from("P5 1 1 1000 "), Buffer.from([1, 0])]),
      "values up to 1000",
    ],
    ["an SVG that is called PNG", () => Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), "an SVG drawing"],
    ["colour", () => colour.clone().png().toBuffer(), "received one with it"],
    [
      "transparency",
      () => pngFile({ ...grey, type: "greyAlpha", value: (_, __, c) => (c ? 9 : 0) }),
      "received one with it",
    ],
    ["too many values", () => pngFile({ ...grey, value: (y, x) => y * 8 + x }), "received more: --lossy-levels"],
  ] as const)("%s", async (what, file, found) => {
    const path = put(`refused/${what}.png`, await file());
    const ran = await run(compress, model, path, "-o", at("refused.pxc"));
    expect([ran.code, messageOf(ran)]).toEqual([1, expect.stringContaining(found)]);
    expect(readdirSync(root)).not.toContain("refused.pxc");
  });

  test("a colour profile is given up, and said", async () => {
    const path = put("profile.png", await sharp(picture(2)).withIccProfile("p3").png().toBuffer());
    const ran = await run(compress, model, path, "-o", at("profile.pxc"));
    expect([ran.code, ran.messages]).toEqual([
      0,
      expect.stringContaining("profile.png: the pixels are kept, its colour profile is not"),
    ]);
  });

  test("the same file twice is two images", async () => {
    const path = put("twice/a.png", picture(4));
    await run(compress, model, path, path, "-o", at("twice.pxc"));
    const back = await run(decompress, at("twice.pxc"), "-o", at("twice-back"), "--model", model);
    expect([readdirSync(at("twice-back")).sort(), back.text]).toEqual([
      ["a (2).png", "a.png"],
      expect.stringContaining("a.png is written as a (2).png"),
    ]);
  });
});

describe("eval and score decode alike", () => {
  beforeAll(() => {
    for (let i = 0; i < 4; i++)
      put(
        `large/${i}.png`,
        encodePng({ height: 16, width: 16, channels: 1, depth: 8, data: new Uint8Array(256).fill(i % 2 ? 255 : 0) }),
      );
    for (let i = 0; i < 4; i++)
      put(
        `red/${i}.png`,
        encodePng({
          height: 8,
          width: 8,
          channels: 3,
          depth: 8,
          data: new Uint8Array(192).map((_, p) => (p % 3 ? 0 : 255)),
        }),
      );
  });

  test("images of another size or more channels are refused by eval, or fitted as asked", async () => {
    const all = ["--split", "all"];
    expect(messageOf(await run(evaluate, model, at("large"), ...all))).toContain(
      "expected 8x8 (height x width) for large/0.png but received 16x16; --fit resize, crop or contain would change it",
    );
    expect((await run(evaluate, model, at("large"), ...all, "--fit", "resize")).json.images).toBe(4);
    expect(messageOf(await run(evaluate, model, at("red"), ...all))).toContain(
      "expected an image without colour for red/0.png, for 1 channels, but received one with it; --fit",
    );
    expect((await run(evaluate, model, at("red"), ...all, "--fit", "crop")).code).toBe(0);
    expect(messageOf(await run(evaluate, model, at("red"), "--fit", "stretch"))).toBe(
      'expected resize, crop or contain for --fit but received "stretch"',
    );
    expect(messageOf(await run(score, model, at("red")))).toContain("expected an image without colour for red/0.png");
  });

  test("eval draws how many images need how many bits", async () => {
    for (const name of ["a.png", "b.png", "c.png"]) put(`drawn/${name}`, picture(2));
    const svg = at("bits.svg");
    const ran = await run(evaluate, model, at("drawn"), "--split", "all", "--histogram", svg);
    expect([ran.code, ran.text]).toEqual([0, expect.stringContaining("histogram: bits.svg")]);
    expect(readFileSync(svg, "utf8")).toContain("3 images");
    expect(messageOf(await run(evaluate, model, at("drawn"), "--split", "all", "--histogram", svg))).toContain(
      "--force",
    );
  });

  test("eval leaves broken images out where asked", async () => {
    for (const name of ["a.png", "b.png", "c.png"]) put(`eval/${name}`, picture(2));
    put("eval/d.png", "text");
    expect(messageOf(await run(evaluate, model, at("eval"), "--split", "all"))).toContain(
      "eval/d.png but received text",
    );
    const skipped = await run(evaluate, model, at("eval"), "--split", "all", "--on-broken", "skip");
    expect([skipped.code, skipped.json.images, skipped.json.skipped]).toEqual([1, 3, 1]);
  });
});

test("for any folder, all that compress codes comes back, and coded + named is all that was there", async () => {
  type Kind = "image" | "text" | "cut" | "html" | "empty" | "deep" | "hidden";
  const part = fc
    .stringMatching(/^[a-zA-Z0-9 é日_()~-]{1,12}$/)
    .filter((s) => s.trim() === s && !/^(train|test|val|dev|valid)/i.test(s));
  const entry = fc.record({
    folders: fc.array(part, { maxLength: 2 }),
    name: part,
    ending: fc.constantFrom(".png", ".PNG", ".jpg", ".webp", "", ".dat", ".txt", ".bmp"),
    kind: fc.constantFrom<Kind>("image", "image", "image", "text", "cut", "html", "empty", "deep", "hidden"),
    seed: fc.integer({ min: 1, max: 50 }),
  });
  let folders = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 10 }), async (entries) => {
      const folder = `law/${folders++}`;
      const files = new Map<string, Uint8Array | string>();
      const used = new Set<string>();
      for (const { folders: above, name, ending, kind, seed } of entries) {
        const path = [...above, `${kind === "hidden" ? "." : ""}${name}${ending}`].join("/");
        const key = path.normalize("NFC").toLowerCase();
        // A file cannot lie where a folder is; captions beside an image are used, not left out.
        const clash = [...used].some((one) => one === key || one.startsWith(`${key}/`) || key.startsWith(`${one}/`));
        if (clash || ending === ".txt") continue;
        used.add(key);
        const content = {
          image: picture(seed),
          hidden: picture(seed),
          cut: picture(seed).subarray(0, 50),
          deep: pngFile({ type: "grey", depth: 16, width: 8, height: 8, value: () => 50_000 }),
          text: "text",
          html: "<!doctype html>",
          empty: "",
        }[kind];
        files.set(path, content);
        put(`${folder}/${path}`, content);
      }
      if (files.size === 0) return;
      const ran = await run(compress, model, at(folder), "-o", at(`${folder}.pxc`), "--on-broken", "skip");
      const whole = [...files].filter(([path, content]) => {
        const isImage =
          content instanceof Uint8Array && content.length > 50 && !/(^|\/)\./.test(path) && !path.endsWith(".bmp");
        return isImage && content[24] !== 16;
      });
      if (whole.length === 0) {
        expect(ran.code).toBe(1);
        return;
      }
      const { images, of, leftOut } = ran.json as { images: number; of: number; leftOut: { name: string }[] };
      expect([images, of, images + leftOut.length]).toEqual([whole.length, files.size, files.size]);
      const named = leftOut.map(({ name }) => name).join("\n");
      for (const path of files.keys()) if (!whole.some(([one]) => one === path)) expect(named).toContain(path);
      const back = await run(decompress, at(`${folder}.pxc`), "-o", at(`${folder}-back`), "--model", model);
      const listed = (await run(decompress, at(`${folder}.pxc`), "--list")).json.images as {
        stored: string;
        written: string;
      }[];
      expect([back.code, listed.map(({ stored }) => stored).sort()]).toEqual([0, whole.map(([path]) => path).sort()]);
      for (const { stored, written } of listed)
        expect(
          await sharp(at(`${folder}-back`, written))
            .raw()
            .toBuffer(),
        ).toEqual(
          await sharp(files.get(stored) as Uint8Array)
            .raw()
            .toBuffer(),
        );
    }),
    { numRuns: 40 },
  );
}, 60_000);
