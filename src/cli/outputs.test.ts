/** What a command may write to: never over its inputs or a model, over another file only when told to. */

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodePng } from "../pictures/png.ts";
import { openGrowing } from "../runs/output.ts";
import { type Ran, runCommand } from "./command-in-process.test-support.ts";
import { pixelcnn, scratchFolder } from "./command-line.test-support.ts";
import complete from "./commands/complete.ts";
import compress from "./commands/compress.ts";
import decompress from "./commands/decompress.ts";
import encode from "./commands/encode.ts";
import exportModel from "./commands/export.ts";
import interpolate from "./commands/interpolate.ts";
import reconstruct from "./commands/reconstruct.ts";
import sample from "./commands/sample.ts";
import score from "./commands/score.ts";
import { modelAt, NETWORK, writePng } from "./small-models.test-support.ts";

const scratch = scratchFolder("outputs");
const at = (...parts: string[]): string => join(scratch, ...parts);
const near = (...parts: string[]): string => relative(process.cwd(), at(...parts));
const text = (path: string): string => readFileSync(at(path), "utf8");
const [model, a] = [at("run"), at("a.png")];
const before = process.umask(0o022);

beforeAll(() => {
  modelAt(model, NETWORK);
  mkdirSync(at("photos"));
  for (const path of [a, at("photos/p.png")])
    writePng(
      path,
      Array.from({ length: 64 }, (_, p) => p % 2),
    );
  linkSync(a, at("hard.png"));
  symlinkSync("a.png", at("soft.png"));
  symlinkSync("run", at("way"));
  writeFileSync(at("file"), "");
});
beforeEach(() => writeFileSync(at("thesis.csv"), "my thesis"));
afterAll(() => {
  process.umask(before);
  rmSync(scratch, { recursive: true, force: true });
});

/** A refusal, with everything as it was. */
async function refused(run: Promise<Ran>, kind: "usage" | "io", message: string): Promise<void> {
  const kept = [a, ...["config.json", "model.safetensors"].map((file) => join(model, file))];
  const was = kept.map((file) => readFileSync(file));
  const { json, code } = await run;
  expect(json).toEqual({ error: { kind, message } });
  expect(code).toBe(kind === "usage" ? 2 : 1);
  expect(kept.map((file) => readFileSync(file))).toEqual(was);
  expect(readdirSync(scratch).filter((name) => name.endsWith(".tmp"))).toEqual([]);
}

describe("an input is never replaced, not even with --force", () => {
  const isInput = (path: string, what = "the input", input = a): string =>
    `expected another file for -o than those that are read but received ${JSON.stringify(path)}, which is ${what} ` +
    `${JSON.stringify(input)}: give another name`;

  test.each([
    ["by its name", a],
    ["by its relative name", near("a.png")],
    ["by another spelling", `./${near("photos/../a.png")}`],
    ["by a symbolic link", at("soft.png")],
    ["by a hard link", at("hard.png")],
  ])("%s", (_, path) => refused(runCommand(compress, model, a, "-o", path, "--force"), "usage", isInput(path)));

  test("a picture of a folder that is read, or of which some are", async () => {
    const photo = at("photos/p.png");
    for (const input of [at("photos"), `${at("photos")}:all:0`])
      await refused(
        runCommand(compress, model, input, "-o", photo, "--force"),
        "usage",
        isInput(photo, "a file of the input", input),
      );
  });

  test("by every command", async () => {
    const rows = ["--rows", "3"];
    for (const run of [
      runCommand(complete, model, a, "-o", a, ...rows, "--force"),
      runCommand(complete, model, at("photos/p.png"), "--mask", a, "-o", a, "--force"),
      runCommand(sample, model, "--like", a, "-o", a, "--force"),
      runCommand(reconstruct, model, a, "-o", a, "--force"),
      runCommand(interpolate, model, a, at("photos/p.png"), "-o", a, "--force"),
      runCommand(compress, model, a, "--single", "-o", a, "--force"),
    ])
      await refused(run, "usage", isInput(a));
    for (const option of ["--csv", "--heatmap"])
      await refused(
        runCommand(score, model, a, option, a, "--force"),
        "usage",
        isInput(a).replace("for -o", `for ${option}`),
      );
    writeFileSync(at("codes.csv"), "name,0\n");
    await refused(
      runCommand(encode, model, at("codes.csv"), "-o", at("codes.csv"), "--force"),
      "usage",
      isInput(at("codes.csv"), "the input", at("codes.csv")),
    );
  });
});

describe("no file of a model is replaced", () => {
  test.each([
    ["run/config.json", "-o"],
    ["run/model.safetensors", "-o"],
    ["run/state.safetensors", "-o"],
    ["run/log.jsonl", "-o"],
    ["way/config.json", "-o"],
  ])("%s", (name, option) =>
    refused(
      runCommand(exportModel, model, option, at(name), "--force"),
      "usage",
      `expected another file for -o than those of a model's folder but received ${JSON.stringify(at(name))}, which ` +
        `the model in ${model} needs: give another name`,
    ),
  );

  test("but a picture goes into its folder, and again with --force", async () => {
    const out = at("run/samples.png");
    expect(await runCommand(sample, model, "-n", "1", "-o", out)).toMatchObject({ code: 0 });
    expect(await runCommand(sample, model, "-n", "1", "-o", out)).toMatchObject({ code: 1 });
    expect(await runCommand(sample, model, "-n", "1", "-o", out, "--force")).toMatchObject({ code: 0 });
  });
});

describe("a file that exists", () => {
  const exists = (path: string, option: string): string =>
    `expected a new file for ${option} but received ${JSON.stringify(path)}, which exists already; --force replaces it`;

  test("is kept, with what to do", async () => {
    const thesis = at("thesis.csv");
    await refused(runCommand(score, model, a, "--csv", thesis), "io", exists(thesis, "--csv"));
    await refused(runCommand(score, model, a, "--heatmap", thesis), "io", exists(thesis, "--heatmap"));
    await refused(runCommand(compress, model, a, "-o", thesis), "io", exists(thesis, "-o"));
    await refused(runCommand(compress, model, a, "--single", "-o", thesis), "io", exists(thesis, "-o"));
    await refused(runCommand(encode, model, a, "-o", thesis), "io", exists(thesis, "-o"));
    expect(text("thesis.csv")).toBe("my thesis");
  });

  test("is replaced with --force, and keeps its mode", async () => {
    chmodSync(at("thesis.csv"), 0o600);
    expect(await runCommand(score, model, a, "--csv", at("thesis.csv"), "--force")).toMatchObject({ code: 0 });
    expect(text("thesis.csv")).toMatch(/^file,bits/);
    expect(statSync(at("thesis.csv")).mode & 0o777).toBe(0o600);
    await runCommand(score, model, a, "--csv", at("new.csv"));
    expect(statSync(at("new.csv")).mode & 0o777).toBe(0o644);
  });

  test("is one where a link leads: the link stays, and what it names is written", async () => {
    symlinkSync("thesis.csv", at("link.csv"));
    await refused(runCommand(score, model, a, "--csv", at("link.csv")), "io", exists(at("link.csv"), "--csv"));
    expect(await runCommand(score, model, a, "--csv", at("link.csv"), "--force")).toMatchObject({ code: 0 });
    symlinkSync("photos/later.csv", at("early.csv"));
    expect(await runCommand(score, model, a, "--csv", at("early.csv"))).toMatchObject({ code: 0 });
    expect([readlinkSync(at("link.csv")), readlinkSync(at("early.csv"))]).toEqual(["thesis.csv", "photos/later.csv"]);
    for (const path of ["thesis.csv", "photos/later.csv"]) expect(text(path)).toMatch(/^file,bits/);
  });

  test("of one image among several is kept too", async () => {
    const words = [compress, model, a, at("photos"), "--single", "-o", at("singles")] as const;
    expect(await runCommand(...words)).toMatchObject({ code: 0 });
    await refused(runCommand(...words), "io", exists(at("singles/a.pxc"), "-o"));
    expect(await runCommand(...words, "--force")).toMatchObject({ code: 0 });
  });
});

describe("a place where nothing can be written is told before the model is opened", () => {
  const early = (message: string, out: string): Promise<void> =>
    refused(runCommand(sample, at("no model"), "-o", out), "io", message);
  const given = (out: string): string =>
    `expected a file in a folder that exists for -o but received ${JSON.stringify(out)}, and`;

  test("a missing folder, a file above, a folder, links in a circle", async () => {
    await early(`${given(at("no/a.png"))} there is no folder ${at("no")}: make it first`, at("no/a.png"));
    const below = at("file/x/a.png");
    await early(`${given(below)} a part of its path is a file, not a folder: ${at("file")}`, below);
    for (const out of [at("photos"), `${at("new")}/`])
      await early(
        `expected a file for -o but received ${JSON.stringify(out)}, which is a folder: give a file's name`,
        out,
      );
    symlinkSync("round", at("round"));
    await early(`cannot write ${at("round")}: its links lead back to themselves`, at("round"));
  });

  test("one file for two outputs", () =>
    refused(
      runCommand(score, model, a, "--csv", at("both"), "--heatmap", near("both")),
      "usage",
      `expected another file for --heatmap than the other output but received ${JSON.stringify(near("both"))} again`,
    ));

  test("a file where decompress makes its folder", async () => {
    await runCommand(compress, model, a, "-o", at("one.pxc"));
    await refused(
      runCommand(decompress, at("one.pxc"), "--model", model, "-o", at("file")),
      "io",
      `expected a folder for -o but received ${JSON.stringify(at("file"))}, and ${at("file")} is a file, not a ` +
        "folder: give another name",
    );
  });
});

describe.skipIf(process.platform === "win32")("what is no file is written as it is", () => {
  test("/dev/null stays a device", async () => {
    expect(await runCommand(sample, model, "-n", "1", "-o", "/dev/null")).toMatchObject({ code: 0 });
    expect(lstatSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test("a pipe with a name", async () => {
    expect(spawnSync("mkfifo", [at("pipe")]).status).toBe(0);
    const [ran, read] = await Promise.all([
      runCommand(score, model, a, "--csv", at("pipe")),
      import("node:fs/promises").then(({ readFile }) => readFile(at("pipe"), "utf8")),
    ]);
    expect(ran.code).toBe(0);
    expect(read).toMatch(/^file,bits/);
    expect(lstatSync(at("pipe")).isFIFO()).toBe(true);
  });

  test("-o - is the standard output, which then holds nothing else", async () => {
    const words = ["score", model, a, "--json", "--csv"];
    const [dash, wrong] = await Promise.all([
      pixelcnn([...words, "-"], { cwd: scratch }),
      pixelcnn(["sample", model, "--class", "cat", "--json", "-o", "/dev/stdout"], { cwd: scratch }),
    ]);
    expect(dash.stdout).toMatch(/^file,bits,bits\/dim\n\S+a\.png,[\d.,]+\n$/);
    expect(dash.stderr).toContain("bits an image");
    expect(existsSync(at("-"))).toBe(false);
    expect([dash.code, wrong.code, wrong.stdout]).toEqual([0, 2, ""]);
    const several = await runCommand(compress, model, a, at("photos"), "--single", "-o", "-");
    expect(several.json.error.message).toBe(
      'expected a folder for the files of 2 images, one each, but received "-" for -o',
    );
  });
});

test("a table that grows is in its file before the work is over, and stays when it fails", async () => {
  const path = at("growing.csv");
  const table = await openGrowing(path);
  await table.write("file,bits\n");
  expect(readFileSync(path, "utf8")).toBe("file,bits\n");
  await table.write("a.png,1\n");
  expect(readFileSync(path, "utf8")).toBe("file,bits\na.png,1\n");
  await table.close();
  await expect(openGrowing(at("no", "folder.csv"))).rejects.toMatchObject({ kind: "io" });
});

describe("a disk that fills up", () => {
  const disk = at("disk");
  let mounted = false;
  beforeAll(() => {
    mkdirSync(disk);
    mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=48k", "tmpfs", disk]).status === 0;
  });
  afterAll(() => {
    if (mounted) spawnSync("umount", [disk]);
  });

  test("leaves whole pictures or none, and says what happened", async ({ skip }) => {
    if (!mounted) skip("no small disk can be made here");
    for (let i = 0; i < 40; i++)
      writePng(
        at("many", `${i}.png`),
        Array.from({ length: 64 }, (_, p) => (p * (i + 1)) % 2),
      );
    await runCommand(compress, model, at("many"), "-o", at("many.pxc"));
    const { code, json } = await runCommand(decompress, at("many.pxc"), "-o", join(disk, "out"), "--model", model);
    expect([code, json.error.message]).toEqual([1, expect.stringMatching(/^cannot write .*: the disk is full$/)]);
    const there = readdirSync(join(disk, "out"));
    expect(there.length).toBeGreaterThan(0);
    for (const name of there) expect(decodePng(readFileSync(join(disk, "out", name)), name).height).toBe(8);
  });
});
