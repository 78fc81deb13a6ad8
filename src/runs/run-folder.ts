/**
 * A run's folder and its files. Every file is written beside its place, flushed, and renamed over it: a crash at any
 * moment, or a full disk, leaves the last good one. `state.safetensors` alone is all that resuming needs;
 * `model.safetensors` is the averaged weights, for use.
 */

import { randomBytes } from "node:crypto";
import { appendFile, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readRegular } from "../data/files.ts";
import { fail } from "../errors.ts";
import { modelParameters } from "../models/families.ts";
import { readSafeTensors, writeSafeTensors } from "../models/safetensors.ts";
import { countOf, unflatten } from "../network/parameters.ts";
import { tensor } from "../tensor.ts";
import type { RunConfig } from "../train/config.ts";
import type { RunState } from "../train/state.ts";
import { reasonOf } from "../words.ts";
import { readRunText } from "./model-files.ts";

const VECTORS = ["weights", "first", "second", "average"] as const;

/**
 * Replaces a file in one move; throws an "io" error and leaves the old one when anything fails. `mode`: that of the
 * new one.
 */
export async function writeWhole(path: string, data: Uint8Array | string, mode?: number): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", mode === undefined ? 0o666 : 0o600);
    try {
      await file.writeFile(data);
      if (mode !== undefined) await file.chmod(mode & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    fail("io", `cannot write ${path}: ${reasonOf(error)}`, error);
  }
  // The rename itself must reach the disk; some file systems refuse to flush a folder, and then there is nothing more
  // to do.
  const folder = await open(dirname(path), "r").catch(() => null);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );

/** Makes a folder and those above it. Level by level: Node's own recursive mkdir never returns under /proc. */
export async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  try {
    await mkdir(path);
  } catch (error) {
    // Somebody else may have made it in between.
    if (!(await isFolder(path))) fail("io", `cannot make the folder ${path}: ${reasonOf(error)}`, error);
  }
}

async function readWhole(path: string, what: string): Promise<Buffer> {
  return readRegular(path).catch((error) => {
    const missing = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT";
    return fail(
      "io",
      missing
        ? `expected ${what} at ${path} but there is no such file`
        : `cannot read ${what} at ${path}: ${reasonOf((error as Error).cause ?? error)}`,
      error,
    );
  });
}

/** Reads a file; `missing` is the error where there is none, `unreadable` how that of another failure begins. */
export function readOrFail(path: string, missing: string, unreadable = `cannot read ${path}`): Promise<Buffer> {
  return readRegular(path).catch((error: Error) => {
    const cause = error.cause as NodeJS.ErrnoException | undefined;
    return fail("io", cause?.code === "ENOENT" ? missing : `${unreadable}: ${reasonOf(cause ?? error)}`, error);
  });
}

/** Starts a run's folder: config.json and samples/. Refuses a folder that already holds a run. */
export async function createRun(folder: string, config: RunConfig): Promise<void> {
  await makeFolder(join(folder, "samples"));
  await writeWhole(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

export async function readRunConfig(folder: string): Promise<RunConfig> {
  const path = join(folder, "config.json");
  return readRunText((await readWhole(path, "a run's or model's config")).toString("utf8"), path);
}

/** Saves the state, then the averaged model. */
export async function saveCheckpoint(folder: string, config: RunConfig, state: RunState): Promise<void> {
  const specs = modelParameters(config.model);
  const vectors = new Map(VECTORS.map((name) => [name, tensor("float32", [state[name].length], state[name])]));
  const metadata = { format: "1", step: String(state.step), seconds: String(state.seconds) };
  await writeWhole(join(folder, "state.safetensors"), writeSafeTensors(vectors, metadata));
  await writeWhole(
    join(folder, "model.safetensors"),
    writeSafeTensors(unflatten(specs, state.average), { format: "1", step: String(state.step) }),
  );
}

/** The state to resume from. */
export async function loadState(folder: string, config: RunConfig): Promise<RunState> {
  const path = join(folder, "state.safetensors");
  const { tensors, metadata } = readSafeTensors(await readWhole(path, "a run's state"), path);
  const n = countOf(modelParameters(config.model));
  const vector = (name: string): Float32Array => {
    const found = tensors.get(name) ?? fail("model", `expected a vector ${name} in ${path} but it has none`);
    if (found.data.length !== n)
      fail(
        "model",
        `expected ${n} numbers for ${name} in ${path}, as config.json says, but found ${found.data.length}`,
      );
    return found.data;
  };
  const number = (name: string): number => {
    const value = Number(metadata[name]);
    return Number.isFinite(value) && value >= 0
      ? value
      : fail("model", `expected a number for ${name} in the metadata of ${path} but found ${metadata[name]}`);
  };
  return {
    step: number("step"),
    seconds: number("seconds"),
    weights: vector("weights"),
    first: vector("first"),
    second: vector("second"),
    average: vector("average"),
  };
}

/** Adds a line to log.jsonl. */
export async function appendLog(folder: string, entry: object): Promise<void> {
  const path = join(folder, "log.jsonl");
  await appendFile(path, `${JSON.stringify(entry)}\n`).catch((error) =>
    fail("io", `cannot write ${path}: ${reasonOf(error)}`, error),
  );
}
