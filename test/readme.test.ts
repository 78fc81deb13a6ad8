/**
 * The README is true: every block of it runs, in order, in one folder, as a reader would type it. TypeScript is
 * type-checked and run against the sources; command lines go through the front door. What would take long is made small
 * by the table below, what cannot run here says why, and a block of text behind TypeScript is its output to the letter.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pixelcnn, scratchFolder } from "../src/cli/command-line.test-support.ts";
import { randomFrom } from "../src/random.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const readme = readFileSync(join(root, "README.md"), "utf8");
const folder = scratchFolder("readme");
const isInstalled = (name: string): boolean => existsSync(join(root, "node_modules", name));

interface Block {
  readonly language: string;
  readonly text: string;
  /** Of the README. */
  readonly line: number;
}
const blocks: Block[] = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(({ 1: language, 2: text, index }) => ({
  language: language!,
  text: text!,
  line: readme.slice(0, index).split("\n").length,
}));

/** Lines that are not run, by how they begin, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npm install pixelcnn": "a registry may not be in reach, and this package is not in it yet",
  "npm install @energetic-ai": "a registry may not be in reach; the sentence encoder is installed for development",
  "npx pixelcnn train emoji": "fetches 68 MB of pictures",
  "npm run demo": "takes eight minutes",
  "npm test": "runs this test",
  "npm run studio": "serves until it is stopped",
  ...(isInstalled("@energetic-ai/core")
    ? {}
    : { "npx pixelcnn sample emoji": "the sentence encoder is not installed" }),
};

const SMALL =
  "--set model.features=12 --set model.depth=2 --set model.skip=12 --set model.head.features=12 --set train.batch=4";
/**
 * The first that fits a line is added to it: fewer steps, images and samples, so that a line takes a second. Options of
 * the README stay.
 */
const ADDED: readonly (readonly [RegExp, string])[] = [
  [/^train .*--resume/, "--steps 3 --eval-limit 2 --no-final-eval"],
  [
    /^train .*mnist-autoencoder/,
    "--steps 2 --eval-limit 2 --no-final-eval --set model.decoder.features=8 --set model.decoder.depth=2 --set " +
      "train.batch=4",
  ],
  [/^train /, `--steps 2 --eval-limit 2 --no-final-eval ${SMALL}`],
  [/^eval /, "--limit 10"],
  [/^score /, "--limit 4"],
  [/^compress mnist /, "--limit 4 --group 2"],
  [/^compress /, "--limit 4"],
  [/^encode /, "--limit 8"],
  [/^sample emoji/, "-n 1"],
];
/** Taken out of a line, since something added says otherwise. */
const REMOVED = / --minutes \d+/;

const DAMAGED = "decompress damaged.pxc";
/** Exit codes other than 0. */
const EXIT_CODES: Readonly<Record<string, number>> = { [DAMAGED]: 1 };

/** What a line needs that a reader has already. */
function prepare(line: string): void {
  if (!line.startsWith(DAMAGED)) return;
  const bytes = readFileSync(join(folder, "mnist.pxc"));
  // In the middle, in one of the two groups.
  bytes[Math.floor(bytes.length / 3)]! ^= 1;
  writeFileSync(join(folder, "damaged.pxc"), bytes);
}

/** Eighty pictures of two classes, 32x32 in colour: a stripe somewhere. */
beforeAll(() => {
  for (const [label, name] of ["cats", "dogs"].entries()) {
    mkdirSync(join(folder, "photos", name), { recursive: true });
    for (let i = 0; i < 40; i++) {
      const at = randomFrom(5, label, i).below(28);
      const data = Uint8Array.from({ length: 32 * 32 * 3 }, (_, p) => {
        const [y, x] = [Math.floor(p / 96), Math.floor(p / 3) % 32];
        const across = label === 0 ? x : y;
        return across >= at && across < at + 4 ? 220 : 40 * (p % 3);
      });
      writeFileSync(
        join(folder, "photos", name, `${i}.png`),
        encode({ width: 32, height: 32, channels: 3, depth: 8, data }),
      );
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every block is code that runs, or the output of the block before it", () => {
  const unknown = blocks.filter(
    ({ language }, i) =>
      !(["ts", "sh"].includes(language) || (language === "text" && blocks[i - 1]?.language === "ts")),
  );
  expect(unknown).toEqual([]);
  expect(blocks.filter(({ language }) => language === "ts").length).toBeGreaterThan(1);
});

test("every line that is not run, and everything that is added to one, is of a line that exists", () => {
  const lines = blocks.filter(({ language }) => language === "sh").flatMap(({ text }) => linesOf(text));
  for (const start of [...Object.keys(NOT_RUN), ...Object.keys(EXIT_CODES).map((start) => `npx pixelcnn ${start}`)])
    expect(lines.filter((line) => line.startsWith(start)).length, start).toBeGreaterThan(0);
  for (const [pattern] of ADDED)
    expect(
      lines.filter((line) => pattern.test(line.replace("npx pixelcnn ", ""))).length,
      String(pattern),
    ).toBeGreaterThan(0);
});

/** The lines of a block of commands, without comments. */
function linesOf(text: string): string[] {
  return text.split("\n").flatMap((line) => line.replace(/\s+#.*$/, "").trim() || []);
}

/** The words of a line; double quotes hold a space. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!);

/** What each import of the package is among the sources. */
const DOORS: Readonly<Record<string, string>> = {
  pixelcnn: "index.ts",
  "pixelcnn/node": "node.ts",
  "pixelcnn/graph": "graph.ts",
};

/** A block as a file beside the photos: it imports the sources, and trains for a moment. */
function fileOf({ text, line }: Block): string {
  const source = text
    .replace(
      /from "(pixelcnn[^"]*)"/g,
      (_, name: string) => `from "${pathToFileURL(join(root, "src", DOORS[name]!)).href}"`,
    )
    .replace(/minutes: \d+/, "minutes: 0.02");
  const file = join(folder, `line-${line}.ts`);
  writeFileSync(file, source);
  return file;
}

for (const [i, block] of blocks.entries()) {
  if (block.language === "ts")
    test(`line ${block.line}: the TypeScript runs`, () => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [fileOf(block)], {
        cwd: folder,
        encoding: "utf8",
      });
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const next = blocks[i + 1];
      if (next?.language === "text") expect(stdout).toBe(next.text);
      for (const [, file] of block.text.matchAll(/writeFile\("([^"]+)"/g))
        expect(existsSync(join(folder, file!)), file).toBe(true);
    });
  if (block.language === "sh")
    for (const line of linesOf(block.text)) {
      const reason = Object.entries(NOT_RUN).find(([start]) => line.startsWith(start))?.[1];
      if (reason) {
        test.skip(`line ${block.line}: ${line} (not run: ${reason})`, () => undefined);
        continue;
      }
      test(`line ${block.line}: ${line}`, async () => {
        expect(line).toMatch(/^npx pixelcnn /);
        const asked = line.replace("npx pixelcnn ", "");
        const added = ADDED.find(([pattern]) => pattern.test(asked))?.[1] ?? "";
        prepare(asked);
        const words = wordsOf(`${asked.replace(REMOVED, "")} ${added}`);
        const { code, stderr } = await pixelcnn(words, { cwd: folder });
        const expected = Object.entries(EXIT_CODES).find(([start]) => asked.startsWith(start))?.[1] ?? 0;
        expect(code, stderr).toBe(expected);
        for (const [, file] of asked.matchAll(/(?:-o|--out|--csv) (\S+)/g))
          expect(existsSync(join(folder, file!)), file).toBe(true);
      });
    }
}

test("the TypeScript type-checks as it stands", () => {
  const files = blocks
    .filter(({ language }) => language === "ts")
    .map(({ text, line }) => {
      const file = join(folder, `types-${line}.mts`);
      writeFileSync(file, text);
      return file;
    });
  const paths = Object.fromEntries(Object.entries(DOORS).map(([name, file]) => [name, [join(root, "src", file)]]));
  const compilerOptions = { noEmit: true, paths, typeRoots: [join(root, "node_modules", "@types")], types: ["node"] };
  const config = join(folder, "tsconfig.json");
  writeFileSync(config, JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, files, include: [] }));
  const { stdout, status } = spawnSync(join(root, "node_modules", ".bin", "tsc"), ["-p", config], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
