/** Runs know their data, have one owner, and stop as they are told. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { encodePng } from "../pictures/png.ts";
import { lockRun } from "../runs/run-lock.ts";
import { pixelcnn, scratchFolder, start, TINY } from "./command-line.test-support.ts";

const scratch = scratchFolder("run-data");
const at = (...names: string[]): string => join(scratch, ...names);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function picture(path: string, level: number): void {
  mkdirSync(join(path, ".."), { recursive: true });
  const pixels = new Uint8Array(64).map((_, i) => (i % 8 < level % 8 ? 255 : 0));
  writeFileSync(path, encodePng({ height: 8, width: 8, channels: 1, pixels }));
}
const folder = (name: string, count = 20): string => {
  for (let i = 0; i < count; i++) picture(at(name, `${i}.png`), i);
  return at(name);
};
const STEPS = [...TINY, "--eval-limit", "0", "--no-final-eval"];

describe("data that change", () => {
  test("a run lists its files; what is added, gone or changed is told at --resume, and moves no other", async () => {
    const data = folder("grows");
    const first = await pixelcnn(["train", data, "--out", at("run"), ...STEPS, "--steps", "2"]);
    expect(first.code).toBe(0);
    const list = readFileSync(at("run", "images.jsonl"), "utf8").trim().split("\n");
    expect(list).toHaveLength(20);
    expect(JSON.parse(list[0]!)).toEqual({
      name: "0.png",
      bytes: expect.any(Number),
      changed: expect.any(Number),
      hash: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    const images = /(\d+) images of 8x8/.exec(first.stderr)![1];
    picture(join(data, "new.png"), 3);
    unlinkSync(join(data, "7.png"));
    picture(join(data, "9.png"), 200);
    const next = await pixelcnn(["train", "--resume", "--out", at("run"), ...STEPS.slice(TINY.length), "--steps", "4"]);
    expect(next.stderr).toContain(
      `warning: since the run began, ${data} has changed: 1 file added (new.png), 1 file gone (7.png), ` +
        "1 file changed (9.png); images keep their splits, by their names",
    );
    expect(Math.abs(Number(/(\d+) images of 8x8/.exec(next.stderr)![1]) - Number(images))).toBeLessThanOrEqual(1);
    const last = await pixelcnn(["train", "--resume", "--out", at("run"), ...STEPS.slice(TINY.length), "--steps", "6"]);
    expect(last.stderr).not.toContain("has changed");
  });

  test("data that were moved are named by a path that fits; another folder is refused", async () => {
    const data = folder("here");
    await pixelcnn(["train", data, "--out", at("moved"), ...STEPS, "--steps", "2"]);
    renameSync(data, at("there"));
    const resume = (...words: string[]) =>
      pixelcnn(["train", ...words, "--resume", "--out", at("moved"), "--steps", "4", ...STEPS.slice(TINY.length)]);
    expect(await resume()).toMatchObject({
      code: 1,
      stderr:
        `error: expected the data of the run in ${at("moved")} at ${data} but there is no such path; if they were ` +
        `moved, say where to: pixelcnn train NEWPATH --resume --out ${at("moved")}\n`,
    });
    const other = folder("other", 21);
    unlinkSync(join(other, "3.png"));
    expect(await resume(other)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        `expected at ${other} the files that the run in ${at("moved")} was trained on but 1 file added (20.png), ` +
          "1 file gone (3.png)",
      ),
    });
    expect((await resume(at("there"))).code).toBe(0);
    expect(JSON.parse(readFileSync(at("moved", "config.json"), "utf8")).data.source).toBe(at("there"));
    expect((await resume()).code).toBe(0);
  });

  test("a run of an earlier version keeps the split that was drawn by order", async () => {
    const data = folder("old");
    await pixelcnn(["train", data, "--out", at("older"), ...STEPS, "--steps", "2"]);
    const path = at("older", "config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    expect(config.data.splitDraw).toBe("name");
    delete config.data.splitDraw;
    writeFileSync(path, JSON.stringify(config));
    rmSync(at("older", "images.jsonl"));
    const next = await pixelcnn([
      "train",
      "--resume",
      "--out",
      at("older"),
      "--steps",
      "4",
      ...STEPS.slice(TINY.length),
    ]);
    expect(next.code).toBe(0);
    expect(JSON.parse(readFileSync(path, "utf8")).data.splitDraw).toBe("order");
  });
});

describe("one owner", () => {
  test("the second process is refused and names the first; after it has ended, the run goes on", async () => {
    const data = folder("owned");
    const run = start(["train", data, "--out", at("one"), ...STEPS, "--minutes", "5"]);
    await run.stderrHas("step 1 ");
    const second = await pixelcnn(["train", "--resume", "--out", at("one")]);
    expect(second).toMatchObject({ code: 2 });
    expect(second.stderr).toMatch(
      /^error: expected a run that nobody else trains but process \d+ has had .*one since 20.*Z; stop it first, or give/,
    );
    expect(second.stderr).toMatch(/; stop it first, or give another --out\n$/);
    expect(second.stderr).toContain(`process ${run.child.pid} `);
    run.child.kill("SIGKILL");
    await run.finished;
    expect(existsSync(at("one", "run.lock"))).toBe(true);
    const third = await pixelcnn([
      "train",
      "--resume",
      "--out",
      at("one"),
      "--steps",
      "3",
      ...STEPS.slice(TINY.length),
    ]);
    expect(third.code).toBe(0);
    expect(existsSync(at("one", "run.lock"))).toBe(false);
  });

  const owner = (change: object): string =>
    JSON.stringify({ pid: process.pid, host: hostname(), start: "1", since: "2020-01-01T00:00:00.000Z", ...change });

  test.each([
    ["a process that is gone", owner({ pid: 2 ** 22 - 3 })],
    ["a process whose number another one has by now", owner({ start: "1" })],
    ["half a lock", '{"pid": 12'],
    ["an empty lock", ""],
    ["a lock that is none", "[1, 2]"],
    ["no process", owner({ pid: 0 })],
    ["a number that no process has", owner({ pid: -4 })],
    ["a process by its name", owner({ pid: "node" })],
    ["bytes that are no text", "\u0000\u0001\ufffd"],
  ])("the lock of %s is taken over", async (_, text) => {
    mkdirSync(at("taken"), { recursive: true });
    writeFileSync(at("taken", "run.lock"), text);
    const release = await lockRun(at("taken"));
    expect(JSON.parse(readFileSync(at("taken", "run.lock"), "utf8")).pid).toBe(process.pid);
    await release();
    expect(existsSync(at("taken", "run.lock"))).toBe(false);
  });

  test("another machine's lock is not, and the message says what to delete", async () => {
    mkdirSync(at("far"), { recursive: true });
    writeFileSync(at("far", "run.lock"), owner({ host: "another" }));
    await expect(lockRun(at("far"))).rejects.toMatchObject({
      kind: "usage",
      message:
        `expected a run that nobody else trains but process ${process.pid} of another has had ${at("far")} since ` +
        `2020-01-01T00:00:00.000Z; if that machine no longer trains there, delete ${at("far", "run.lock")}`,
    });
  });

  test("of twenty that ask at once, one has it", async () => {
    for (let round = 0; round < 50; round++) {
      const place = at("race", String(round));
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, "run.lock"), owner({ pid: 2 ** 22 - 3 }));
      const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockRun(place)));
      const got = asked.filter((one) => one.status === "fulfilled");
      expect(got, `round ${round}`).toHaveLength(1);
      await got[0]!.value();
      expect(readdirSync(place)).toEqual([]);
    }
  });

  test("a claim on a dead lock whose process died too does not hold the run for ever", async () => {
    mkdirSync(at("claimed"), { recursive: true });
    const text = owner({ pid: 2 ** 22 - 3 });
    writeFileSync(at("claimed", "run.lock"), text);
    const claim = at("claimed", `run.lock.${createHash("sha256").update(text).digest("hex").slice(0, 16)}.tmp`);
    writeFileSync(claim, "");
    utimesSync(claim, 1, 1);
    const release = await lockRun(at("claimed"));
    await release();
    expect(readdirSync(at("claimed"))).toEqual([]);
  });
});

describe("signals", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s saves a training and ends with %i", async (signal, code) => {
    const data = folder(`by-${signal}`);
    const run = start(["train", data, "--out", at(signal), ...STEPS, "--minutes", "5"]);
    await run.stderrHas("step 1 ");
    run.child.kill(signal);
    const { code: ended, stderr } = await run.finished;
    expect(ended).toBe(code);
    expect(stderr).toContain(`everything is saved in ${at(signal)}`);
    expect(existsSync(at(signal, "state.safetensors"))).toBe(true);
  });

  test("a reader of its messages that goes away ends a training, which is saved", () => {
    const data = folder("by-pipe");
    const words = ["train", data, "--out", at("pipe"), ...STEPS, "--minutes", "5"];
    const main = join(import.meta.dirname, "main.ts");
    const line =
      `"${process.execPath}" "${main}" ${words.map((word) => `'${word}'`).join(" ")} 2>&1 | head -2; ` +
      `echo "\${PIPESTATUS[0]}"`;
    const { stdout } = spawnSync("bash", ["-c", line], { encoding: "utf8", timeout: 50_000 });
    expect(stdout.trim().split("\n").at(-1)).toBe("141");
    expect(existsSync(at("pipe", "state.safetensors"))).toBe(true);
  });
});

describe.skipIf(process.platform === "win32")("what is no file is named at once, and never waited for", () => {
  const pipe = (name: string): string => {
    spawnSync("mkfifo", [at(name)]);
    return at(name);
  };

  test.each([
    ["an image", () => ["score", "mnist-binary", pipe("a.png")], "a.png but received a pipe (FIFO)"],
    ["an archive", () => ["decompress", pipe("b.pxc"), "-o", at("out")], "b.pxc: expected a file at"],
    ["data", () => ["train", pipe("c-images-idx3-ubyte"), "--out", at("x")], "ubyte but received a pipe (FIFO)"],
    [
      "a folder as an image",
      () => {
        mkdirSync(at("f.png"), { recursive: true });
        return ["compress", "mnist", at("f.png"), "-o", at("g.pxc")];
      },
      "f.png",
    ],
    ["a device", () => ["score", "mnist-binary", "/dev/zero"], "/dev/zero but received a device"],
  ])("%s", async (_, words, message) => {
    const { code, stderr } = await pixelcnn(words());
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });

  test("a socket", async () => {
    const server = createServer().listen(at("s.png"));
    const { code, stderr } = await pixelcnn(["score", "mnist-binary", at("s.png")]);
    server.close();
    expect([code, stderr]).toEqual([1, expect.stringContaining("s.png")]);
  });

  test("a caption", async () => {
    const data = folder("captioned", 3);
    spawnSync("mkfifo", [join(data, "1.txt")]);
    const { code, stderr } = await pixelcnn(["train", data, "--out", at("capt"), "--condition", "captions", ...STEPS]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("1.txt but received a pipe (FIFO)")]);
    appendFileSync(join(data, "2.txt"), "");
    cpSync(join(data, "0.png"), join(data, "4.png"));
  });
});
