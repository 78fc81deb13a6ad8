/**
 * The run folders below the folders that the studio was given, each under an identity that says nothing of its path:
 * a page names runs by it, and never by a path. Links are not followed, and only regular files are read. A folder that
 * vanishes, or is half written, is passed over until it is whole.
 */

import { createHash } from "node:crypto";
import { lstat, readdir, readFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { curveOfLog, type LogCurve } from "../runs/log-curve.ts";

export interface RunSummary {
  /** Identity: the same as long as the folder stays where it is. */
  readonly id: string;
  /** The folder, from the folder that the studio was given. */
  readonly name: string;
  readonly family: string;
  readonly data: string;
  /** Bytes of its log, and when that was last written, in milliseconds. */
  readonly logBytes: number;
  readonly changed: number;
  /** Whether it has weights to open. */
  readonly weights: boolean;
  readonly pictures: readonly string[];
}

/** How deep below a given folder runs are looked for, and the most that are shown. */
const DEEPEST = 4;
const MOST_RUNS = 2000;
/** The files of a run that a page may read, by name. */
export const RUN_FILES = ["config.json", "model.safetensors"] as const;

export class RunShelf {
  readonly #roots: readonly string[];
  #runs = new Map<string, { readonly folder: string; readonly summary: RunSummary }>();
  readonly #curves = new Map<string, { readonly size: number; readonly changed: number; readonly curve: LogCurve }>();

  constructor(roots: readonly string[]) {
    this.#roots = roots.map((root) => resolve(root));
  }

  /** Looks through the folders; the runs in order of their last change, the newest first. */
  async list(): Promise<RunSummary[]> {
    const found = new Map<string, { folder: string; summary: RunSummary }>();
    for (const root of this.#roots) await this.#walk(root, root, 0, found);
    this.#runs = found;
    return [...found.values()].map(({ summary }) => summary).sort((a, b) => b.changed - a.changed);
  }

  async #walk(
    root: string,
    folder: string,
    depth: number,
    found: Map<string, { folder: string; summary: RunSummary }>,
  ): Promise<void> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    if (entries.some((entry) => entry.name === "log.jsonl" && entry.isFile())) {
      const summary = await summaryOf(root, folder);
      if (summary) found.set(summary.id, { folder, summary });
      return;
    }
    if (depth >= DEEPEST) return;
    for (const entry of entries) {
      if (found.size >= MOST_RUNS) return;
      if (entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
        await this.#walk(root, join(folder, entry.name), depth + 1, found);
    }
  }

  async #folderOf(id: string): Promise<string | null> {
    if (!this.#runs.has(id)) await this.list();
    return this.#runs.get(id)?.folder ?? null;
  }

  /** The curves of a run's log; null without such a run. A log is read again when it has changed. */
  async curve(id: string): Promise<LogCurve | null> {
    const folder = await this.#folderOf(id);
    if (folder === null) return null;
    const path = join(folder, "log.jsonl");
    const found = await lstat(path).catch(() => null);
    if (!found?.isFile()) return null;
    const known = this.#curves.get(id);
    if (known?.size === found.size && known.changed === found.mtimeMs) return known.curve;
    const text = await readFile(path, "utf8").catch(() => null);
    if (text === null) return null;
    const curve = curveOfLog(text);
    this.#curves.set(id, { size: found.size, changed: found.mtimeMs, curve });
    return curve;
  }

  /** A file of a run by its name; null for any other name, and for what is no regular file. */
  async file(id: string, name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    const folder = await this.#folderOf(id);
    if (folder === null || !RUN_FILES.some((known) => known === name)) return null;
    return readRegular(join(folder, name));
  }

  /** A picture of a run by its place in the summary's list. */
  async picture(id: string, index: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const folder = await this.#folderOf(id);
    const name = this.#runs.get(id)?.summary.pictures[index];
    return folder === null || name === undefined ? null : readRegular(join(folder, "samples", name));
  }

  /** Bytes of each log, to see which runs went on. */
  async sizes(): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for (const [id, { folder }] of this.#runs) {
      const found = await lstat(join(folder, "log.jsonl")).catch(() => null);
      if (found?.isFile()) sizes.set(id, found.size);
    }
    return sizes;
  }
}

const isRegular = async (path: string): Promise<boolean> => (await lstat(path).catch(() => null))?.isFile() === true;

async function readRegular(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  if (!(await isRegular(path))) return null;
  return readFile(path).then(
    (bytes) => new Uint8Array(bytes),
    () => null,
  );
}

async function summaryOf(root: string, folder: string): Promise<RunSummary | null> {
  const log = await lstat(join(folder, "log.jsonl")).catch(() => null);
  const text = (await isRegular(join(folder, "config.json")))
    ? await readFile(join(folder, "config.json"), "utf8").catch(() => null)
    : null;
  if (!log || text === null) return null;
  let config: { model?: { family?: unknown }; data?: { source?: unknown } };
  try {
    config = JSON.parse(text) as typeof config;
  } catch {
    // Being written: it will be whole at the next look.
    return null;
  }
  const samples = await readdir(join(folder, "samples"), { withFileTypes: true }).catch(() => []);
  const pictures = samples.filter((entry) => entry.isFile() && /\.png$/i.test(entry.name)).map(({ name }) => name);
  return {
    id: createHash("sha256")
      .update(`${root}\0${relative(root, folder)}`)
      .digest("hex")
      .slice(0, 16),
    name: relative(root, folder) || basename(folder),
    family: typeof config.model?.family === "string" ? config.model.family : "",
    data: typeof config.data?.source === "string" ? basename(config.data.source) : "",
    logBytes: log.size,
    changed: log.mtimeMs,
    weights: await isRegular(join(folder, "model.safetensors")),
    pictures: pictures.sort((a, b) => a.localeCompare(b, "en", { numeric: true })),
  };
}
