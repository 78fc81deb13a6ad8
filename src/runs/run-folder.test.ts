/**
 * A run's files: replaced whole or not at all, and an error that a person can act on for each way in which they are not
 * there or not right.
 */

import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ErrorKind, PixelcnnError } from "../errors.ts";
import { modelParameters } from "../models/families.ts";
import { readSafeTensors, writeSafeTensors } from "../models/safetensors.ts";
import { countOf, flatten } from "../network/parameters.ts";
import { tinyRun } from "../train/resume.test-support.ts";
import { initialState } from "../train/state.ts";
import { openModel } from "./open-model.ts";
import {
  appendLog,
  createRun,
  loadState,
  makeFolder,
  readRunConfig,
  saveCheckpoint,
  writeWhole,
} from "./run-folder.ts";

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-checkpoint-"));
let mounted = false;
afterAll(() => {
  // Here, not beside the tests of the small disk: a block whose tests are all filtered out ends without its hooks.
  if (mounted) spawnSync("umount", [at("disk")]);
  rmSync(scratch, { recursive: true, force: true });
});
const at = (...names: string[]): string => join(scratch, ...names);

async function expectFailure(promise: Promise<unknown>, kind: ErrorKind, words: string | RegExp): Promise<void> {
  const error = await promise.then(
    () => null,
    (e) => e,
  );
  expect(error).toBeInstanceOf(PixelcnnError);
  if (typeof words === "string") expect(error.message).toBe(words);
  else expect(error.message).toMatch(words);
  expect(error.kind).toBe(kind);
}

const config = tinyRun({ budget: { steps: 9 } });
const state = { ...initialState(config), step: 7, seconds: 1.25 };
state.first.fill(0.5);
state.second.fill(1e-30);
state.average[3] = -0;

describe("writing a file whole", () => {
  test("makes it or replaces it, text or bytes, and leaves nothing beside it", async () => {
    const folder = at("whole");
    mkdirSync(folder);
    await writeWhole(join(folder, "a"), "first");
    await writeWhole(join(folder, "a"), Uint8Array.of(1, 2, 3));
    expect([...readFileSync(join(folder, "a"))]).toEqual([1, 2, 3]);
    expect(readdirSync(folder)).toEqual(["a"]);
  });

  test("where the folder is missing, or the place is taken by a folder: words, and no half file", async () => {
    const missing = at("nowhere", "model.safetensors");
    await expectFailure(writeWhole(missing, "x"), "io", `cannot write ${missing}: there is no such file or folder`);
    mkdirSync(at("taken", "model.safetensors"), { recursive: true });
    const taken = at("taken", "model.safetensors");
    await expectFailure(writeWhole(taken, "x"), "io", `cannot write ${taken}: it is a folder`);
    expect(readdirSync(at("taken"))).toEqual(["model.safetensors"]);
    writeFileSync(at("file"), "");
    await expectFailure(
      writeWhole(at("file", "a"), "x"),
      "io",
      `cannot write ${at("file", "a")}: a part of its path is a file, not a folder`,
    );
  });

  test("two writers of one file at once both end well, and one of them is what stays", async () => {
    const path = at("raced");
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000));
    await Promise.all(texts.map((text) => writeWhole(path, text)));
    expect(texts).toContain(readFileSync(path, "utf8"));
    expect(readdirSync(scratch).filter((name) => name.startsWith("raced"))).toEqual(["raced"]);
  });
});

describe("on a small disk", () => {
  const disk = at("disk");
  mkdirSync(disk);
  const mount = (...options: string[]) => spawnSync("mount", options);
  mounted = process.getuid?.() === 0 && mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", disk).status === 0;
  const why = mounted ? "" : " (skipped: only root may mount a small tmpfs, and not everywhere)";

  test.skipIf(!mounted)(`a file that does not fit leaves the old one, and no part of itself${why}`, async () => {
    const path = join(disk, "state.safetensors");
    await writeWhole(path, "the last good one");
    await expectFailure(writeWhole(path, new Uint8Array(200_000)), "io", `cannot write ${path}: the disk is full`);
    expect(readFileSync(path, "utf8")).toBe("the last good one");
    expect(readdirSync(disk)).toEqual(["state.safetensors"]);
  });

  test.skipIf(!mounted)(
    `a checkpoint that does not fit leaves the one before it, whole, however much of it fitted${why}`,
    async () => {
      const folder = join(disk, "run");
      const ballast = join(disk, "ballast");
      await createRun(folder, config);
      await saveCheckpoint(folder, config, state);
      writeFileSync(ballast, "");
      expect(() => {
        for (;;) appendFileSync(ballast, new Uint8Array(1024));
      }).toThrow("ENOSPC");
      let failures = 0;
      let step = 7;
      for (let pages = 0; step === 7; pages++) {
        truncateSync(ballast, Math.max(0, statSync(ballast).size - 4096));
        const saved = await saveCheckpoint(folder, config, { ...state, step: 8 }).then(
          () => true,
          (error) => {
            expect(error.message).toMatch(/: the disk is full$/);
            failures++;
            return false;
          },
        );
        step = saved ? 8 : 7;
        expect(await loadState(folder, config)).toEqual({ ...state, step });
        expect((await openModel(folder)).step).toBe(step);
        expect(readdirSync(folder).sort()).toEqual([
          "config.json",
          "model.safetensors",
          "samples",
          "state.safetensors",
        ]);
        expect(pages).toBeLessThan(8);
      }
      // A state is three pages long.
      expect(failures).toBeGreaterThan(0);
    },
  );

  test.skipIf(!mounted)(`a read-only disk is named as one${why}`, async () => {
    expect(mount("-o", "remount,ro", disk).status).toBe(0);
    const path = join(disk, "a");
    await expectFailure(writeWhole(path, "x"), "io", `cannot write ${path}: the file system is read-only`);
    const folder = join(disk, "new");
    await expectFailure(makeFolder(folder), "io", `cannot make the folder ${folder}: the file system is read-only`);
    const log = join(disk, "log.jsonl");
    await expectFailure(appendLog(disk, {}), "io", `cannot write ${log}: the file system is read-only`);
  });
});

describe("making a folder", () => {
  test("makes those above it too, and is content with one that is there", async () => {
    await makeFolder(at("a", "b", "c"));
    await Promise.all([makeFolder(at("a", "b", "c")), makeFolder(at("a", "x", "y")), makeFolder(at("a", "x", "y"))]);
    expect(statSync(at("a", "x", "y")).isDirectory()).toBe(true);
  });

  test.skipIf(!existsSync("/proc/self"))(
    `under /proc ends with an error${existsSync("/proc/self") ? "" : " (skipped: there is no /proc here)"}`,
    async () => {
      await expectFailure(
        createRun("/proc/pixelcnn/run", config),
        "io",
        "cannot make the folder /proc/pixelcnn: there is no such file or folder",
      );
    },
    5_000,
  );

  test("says when a file stands in the way", async () => {
    writeFileSync(at("plain"), "");
    await expectFailure(
      makeFolder(at("plain")),
      "io",
      `cannot make the folder ${at("plain")}: it is a file, not a folder`,
    );
    await expectFailure(
      makeFolder(at("plain", "run")),
      "io",
      `cannot make the folder ${at("plain")}: it is a file, not a folder`,
    );
  });
});

describe("a run's files", () => {
  const folder = at("run");
  const paths = {
    config: join(folder, "config.json"),
    state: join(folder, "state.safetensors"),
    model: join(folder, "model.safetensors"),
  };
  beforeAll(async () => {
    await createRun(folder, config);
    await saveCheckpoint(folder, config, state);
  });
  /** A copy of the run with one file changed, or, with null, taken away. */
  let copies = 0;
  const changed = (
    file: keyof typeof paths,
    change: ((bytes: Buffer) => Uint8Array | string) | null,
  ): { folder: string; path: string } => {
    const copy = at(`copy${copies++}`);
    mkdirSync(copy);
    for (const [name, path] of Object.entries(paths)) {
      const target = join(copy, path.slice(folder.length + 1));
      if (name !== file) writeFileSync(target, readFileSync(path));
      else if (change) writeFileSync(target, change(readFileSync(path)));
    }
    return { folder: copy, path: join(copy, paths[file].slice(folder.length + 1)) };
  };
  const count = state.weights.length;

  test("give back what was saved: config, state to the bit, averaged weights", async () => {
    expect(await readRunConfig(folder)).toEqual(config);
    const loaded = await loadState(folder, config);
    expect(loaded).toEqual(state);
    expect(Object.is(loaded.average[3], -0)).toBe(true);
    const model = await openModel(folder);
    expect(model.run).toEqual(config);
    expect(model.step).toBe(7);
    expect(flatten(modelParameters(config.model), model.parameters)).toEqual(state.average);
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors", "samples", "state.safetensors"]);
  });

  test("that are missing are named, with what was expected there", async () => {
    const none = changed("config", null);
    await expectFailure(
      readRunConfig(none.folder),
      "io",
      `expected a run's or model's config at ${none.path} but there is no such file`,
    );
    await expectFailure(
      openModel(none.folder),
      "model",
      `expected a run or model folder at ${none.folder} but it holds no config.json`,
    );
    const noState = changed("state", null);
    await expectFailure(
      loadState(noState.folder, config),
      "io",
      `expected a run's state at ${noState.path} but there is no such file`,
    );
    const noModel = changed("model", null);
    await expectFailure(
      openModel(noModel.folder),
      "model",
      `expected weights in ${noModel.folder} but there is no model.safetensors: the run was stopped before its ` +
        "first checkpoint; " +
        `train on with: pixelcnn train --resume --out ${noModel.folder}`,
    );
    mkdirSync(noModel.path);
    await expectFailure(openModel(noModel.folder), "io", new RegExp(`^cannot read ${noModel.path}: it is a folder`));
  });

  test("that are cut short say so", async () => {
    const short = changed("state", (bytes) => bytes.subarray(0, bytes.length - 1));
    const size = statSync(paths.state).size;
    await expectFailure(
      loadState(short.folder, config),
      "model",
      `expected a safetensors file at ${short.path} but tensor average ends at byte ${size} of ${size - 1}; the ` +
        "file is truncated",
    );
    const model = changed("model", (bytes) => bytes.subarray(0, 40));
    await expectFailure(
      openModel(model.folder),
      "model",
      /^expected a safetensors file at \S+ but its header claims \d+ bytes of 32; the file is truncated or of another kind$/,
    );
    const empty = changed("model", () => "");
    await expectFailure(
      openModel(empty.folder),
      "model",
      `expected a safetensors file at ${empty.path} but it has only 0 bytes`,
    );
    const json = changed("config", (bytes) => bytes.subarray(0, 20));
    await expectFailure(readRunConfig(json.folder), "model", /^expected JSON in \S+copy\d+\/config\.json but /);
  });

  test("of another model are refused with both numbers or shapes", async () => {
    const wider = tinyRun({ budget: { steps: 9 }, model: { features: 8 } });
    const other = countOf(modelParameters(wider.model));
    await expectFailure(
      loadState(folder, wider),
      "model",
      `expected ${other} numbers for weights in ${paths.state}, as config.json says, but found ${count}`,
    );
    const mixed = changed("config", () => JSON.stringify(wider));
    await expectFailure(
      openModel(mixed.folder),
      "model",
      "expected shape [2,3,1,8] for parameter layer1.vertical.W_f but received [2,3,1,4]",
    );
  });

  test("that lack a vector or a number say which", async () => {
    const rewrite =
      (change: (tensors: Map<string, never>, metadata: Record<string, string>) => void) => (bytes: Buffer) => {
        const { tensors, metadata } = readSafeTensors(bytes, "here");
        const [map, words] = [new Map(tensors), { ...metadata }];
        change(map as Map<string, never>, words);
        return writeSafeTensors(map, words);
      };
    const noMoment = changed(
      "state",
      rewrite((tensors) => void tensors.delete("second")),
    );
    await expectFailure(
      loadState(noMoment.folder, config),
      "model",
      `expected a vector second in ${noMoment.path} but it has none`,
    );
    for (const [value, shown] of [
      ["soon", "soon"],
      ["-1", "-1"],
      [undefined, "undefined"],
    ] as const) {
      const wrong = changed(
        "state",
        rewrite((_, metadata) => {
          if (value === undefined) delete metadata.step;
          else metadata.step = value;
        }),
      );
      await expectFailure(
        loadState(wrong.folder, config),
        "model",
        `expected a number for step in the metadata of ${wrong.path} but found ${shown}`,
      );
    }
  });

  test("a config that does not fit names the file, the key and what came", async () => {
    const wrong = changed("config", (bytes) => bytes.toString("utf8").replace('"depth": 2', '"depth": 0, "depht": 2'));
    await expectFailure(
      readRunConfig(wrong.folder),
      "model",
      `${wrong.path}: expected the run config to fit its schema:\n` +
        "  model.depth: expected at least 1 but received 0\n  model: unknown key depht",
    );
  });

  test("the log takes a line an entry", async () => {
    await appendLog(folder, { type: "step", step: 1 });
    await appendLog(folder, { type: "step", step: 2 });
    expect(readFileSync(join(folder, "log.jsonl"), "utf8")).toBe(
      '{"type":"step","step":1}\n{"type":"step","step":2}\n',
    );
  });
});

test("a model's address that nobody serves is named", async () => {
  // Port 1 of this machine: nothing listens there.
  await expect(openModel(new URL("http://127.0.0.1:1/model/"))).rejects.toMatchObject({
    kind: "io",
    message: expect.stringContaining("cannot fetch http://127.0.0.1:1/model/config.json: "),
  });
});
