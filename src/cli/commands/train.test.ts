import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { randomFrom } from "../../random.ts";
import { loadState, readRunConfig } from "../../runs/run-folder.ts";
import { pixelcnn, scratchFolder, start, TINY, tinyData } from "../command-line.test-support.ts";

const scratch = scratchFolder("train");
const data = tinyData(join(scratch, "data"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Saves many times per second, tests nothing: what matters is when it is stopped. */
const OFTEN = ["--eval-limit", "0", "--no-final-eval", "--set", "train.checkpointMinutes=0.0005"];
const savedStep = async (folder: string): Promise<number> =>
  (await loadState(folder, await readRunConfig(folder))).step;
const logOf = (folder: string): { type: string; step: number }[] =>
  readFileSync(join(folder, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test(
  "a run's folder holds its config, weights, state, log and samples; a config file trains the same run " + "again",
  async () => {
    const { code, stdout } = await pixelcnn([
      "train",
      data,
      "--out",
      at("first"),
      ...TINY,
      "--steps",
      "20",
      "--seed",
      "5",
      "--json",
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      run: at("first"),
      step: 20,
      images: 160,
      evaluation: { step: 20, images: 20 },
    });
    expect(readdirSync(at("first")).sort()).toEqual([
      "config.json",
      "images.jsonl",
      "log.jsonl",
      "model.safetensors",
      "samples",
      "state.safetensors",
    ]);
    expect(readdirSync(join(at("first"), "samples"))).toEqual(["step-000020.png"]);
    expect(logOf(at("first")).map(({ type }) => type)).toEqual([
      "start",
      "step",
      "checkpoint",
      "evaluation",
      "samples",
    ]);
    const config = await readRunConfig(at("first"));
    expect(config).toMatchObject({
      data: { source: data, height: 8, width: 8, channels: 1, binarise: "threshold" },
      model: { height: 8, width: 8, channels: 1, levels: 2, features: 4 },
      train: { budget: { steps: 20 }, seed: 5 },
    });
    const again = await pixelcnn([
      "train",
      "--config",
      join(at("first"), "config.json"),
      "--out",
      at("again"),
      "--threads",
      "2",
    ]);
    expect(again.code).toBe(0);
    expect(readFileSync(join(at("again"), "model.safetensors"))).toEqual(
      readFileSync(join(at("first"), "model.safetensors")),
    );
  },
);

test("Ctrl-C saves and says how to go on, and that command goes on; the log tells of both", async () => {
  const folder = at("interrupted run");
  const run = start(["train", data, "--out", folder, ...TINY, "--minutes", "5", "--eval-limit", "0", "--json"]);
  await run.stderrHas("step 1 ");
  run.child.kill("SIGINT");
  const { code, stdout, stderr } = await run.finished;
  expect(code).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({
    error: { kind: "interrupted", message: expect.stringContaining("interrupted at step") },
  });
  expect(stderr).toContain(`go on with: pixelcnn train --resume --out '${folder}'`);
  const step = await savedStep(folder);
  expect(step).toBeGreaterThan(0);
  const resumed = await pixelcnn([
    "train",
    "--resume",
    "--out",
    folder,
    "--steps",
    String(step + 3),
    "--no-final-eval",
  ]);
  expect(resumed).toMatchObject({ code: 0, stderr: expect.stringContaining(`going on from step ${step}`) });
  expect(await savedStep(folder)).toBe(step + 3);
  expect((await readRunConfig(folder)).train.budget).toEqual({ steps: step + 3 });
  expect(logOf(folder).map((entry) => entry.type)).toEqual(expect.arrayContaining(["start", "resume", "checkpoint"]));
});

test("a second Ctrl-C ends at once, and leaves what was saved before", async () => {
  const run = start(["train", data, "--out", at("twice"), ...TINY, ...OFTEN, "--minutes", "5"]);
  await run.stderrHas("step 1 ");
  await wait(300);
  run.child.kill("SIGINT");
  run.child.kill("SIGTERM");
  // None where the second signal comes as the process is already ending, its handlers gone: the signal itself ends it
  // then.
  expect([130, 143, null]).toContain((await run.finished).code);
  expect(await savedStep(at("twice"))).toBeGreaterThan(0);
});

const KILLS = process.env.PIXELCNN_SLOW ? 20 : 3;
test(`kill -9 at random moments, ${KILLS} times: it resumes from a whole checkpoint each time, and ends as if ` +
  "nothing had happened", {
  timeout: 900_000,
}, async () => {
  const steps = 2000 * KILLS;
  const words = ["train", data, ...TINY, ...OFTEN, "--steps", String(steps)];
  const undisturbed = pixelcnn([...words, "--out", at("undisturbed")]);
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = randomFrom(seed);
  const folder = at("killed");
  let last = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const run = start(
      existsSync(join(folder, "config.json"))
        ? ["train", "--resume", "--out", folder, "--threads", "1", ...OFTEN.slice(0, 3)]
        : [...words, "--out", folder],
    );
    // Every other time from the very start; else well into training.
    if (kill % 2 === 0) await run.stderrHas(/training:|going on/);
    await wait(random.below(900));
    run.child.kill("SIGKILL");
    const { signal, stderr } = await run.finished;
    expect(signal, `kill ${kill} of seed ${seed}: ${stderr}`).toBe("SIGKILL");
    const step = existsSync(join(folder, "state.safetensors")) ? await savedStep(folder) : 0;
    expect(step, `kill ${kill} of seed ${seed}`).toBeGreaterThanOrEqual(last);
    last = step;
  }
  // What a kill can leave behind, for sure.
  mkdirSync(join(folder, "samples"), { recursive: true });
  writeFileSync(join(folder, "state.safetensors.0badf00d.tmp"), "half a fi");
  appendFileSync(join(folder, "log.jsonl"), '{"type":"st');
  const { code, stderr } = await pixelcnn(
    existsSync(join(folder, "config.json"))
      ? ["train", "--resume", "--out", folder, ...OFTEN.slice(0, 3)]
      : [...words, "--out", folder],
  );
  expect(code, stderr).toBe(0);
  expect(readdirSync(folder).filter((file) => file.endsWith(".tmp"))).toEqual([]);
  expect(logOf(folder).at(-1)).toMatchObject({ step: steps });
  expect((await undisturbed).code).toBe(0);
  for (const file of ["model.safetensors"])
    expect(readFileSync(join(folder, file))).toEqual(readFileSync(join(at("undisturbed"), file)));
});

test("a run that diverges says what to try, and its last checkpoint stays as it was", async () => {
  const folder = at("diverged");
  expect((await pixelcnn(["train", data, "--out", folder, ...TINY, "--steps", "5", "--no-final-eval"])).code).toBe(0);
  const path = join(folder, "state.safetensors");
  const poisoned = readFileSync(path);
  poisoned.writeFloatLE(Number.NaN, 8 + Number(poisoned.readBigUInt64LE(0)));
  writeFileSync(path, poisoned);
  const { code, stderr } = await pixelcnn(["train", "--resume", "--out", folder, "--steps", "9"]);
  expect(stderr).toMatch(
    /training diverged at step 6: the loss is not a number.*Try a lower rate \(--set train\.rate=/s,
  );
  expect(code).toBe(1);
  expect(readFileSync(path)).toEqual(poisoned);
});

const disk = at("disk");
mkdirSync(disk);
const mounted =
  process.getuid?.() === 0 && spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]).status === 0;
afterAll(() => {
  if (mounted) spawnSync("umount", [disk]);
});
test.skipIf(!mounted)(
  "a full disk stops the run with its last checkpoint whole; with more room it goes " +
    `on${mounted ? "" : " (skipped: cannot mount a tmpfs)"}`,
  async () => {
    const folder = join(disk, "run");
    // 64 kB hold the folder and one checkpoint, not the second beside the first.
    const { code, stderr } = await pixelcnn([
      "train",
      data,
      "--out",
      folder,
      ...TINY,
      ...OFTEN,
      "--set",
      "model.features=8",
      "--steps",
      "400",
    ]);
    expect(stderr).toContain("the disk is full");
    expect(stderr).toMatch(/go on with: pixelcnn train --resume --out \S+disk\/run/);
    expect(code).toBe(1);
    expect(await savedStep(folder)).toBeGreaterThan(0);
    expect(readdirSync(folder).filter((file) => file.endsWith(".tmp"))).toEqual([]);
    spawnSync("mount", ["-o", "remount,size=1m", disk]);
    expect(await pixelcnn(["train", "--resume", "--out", folder, ...OFTEN])).toMatchObject({ code: 0 });
    expect(await savedStep(folder)).toBe(400);
  },
);

test("images of differing sizes train with one command, which says what it did with them", async () => {
  const folder = at("photos");
  mkdirSync(folder);
  for (const [name, width, height] of [
    ["a", 40, 50],
    ["b", 60, 33],
    ["c", 35, 35],
  ] as const) {
    const header = new TextEncoder().encode(`P6\n${width} ${height}\n255\n`);
    writeFileSync(
      join(folder, `${name}.ppm`),
      Buffer.concat([header, Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => (i * 7) % 256))]),
    );
  }
  const small = ["model.features=6", "model.depth=1", "model.skip=6", "model.head.features=6", "train.batch=2"].flatMap(
    (s) => ["--set", s],
  );
  const { code, stderr } = await pixelcnn(["train", folder, "--out", at("of photos"), ...small, "--steps", "2"]);
  expect(stderr).toMatch(
    /differ in size: they are cut to 32x32; --set data\.height=H --set data\.width=W chooses another size/,
  );
  expect(code).toBe(0);
  const config = await readRunConfig(at("of photos"));
  expect(config.data).toMatchObject({ height: 32, width: 32, fit: "crop", channels: 3 });
  expect(config.model).toMatchObject({ height: 32, width: 32, channels: 3, levels: 256 });
});
