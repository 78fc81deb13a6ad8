/** The command line as its tests use it: through the front door, as a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { randomFrom } from "../random.ts";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The Node that runs TypeScript as it is. */
const own = join(root, "node_modules", ".bin", "node");
const node = existsSync(own) ? own : process.execPath;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Waits until stderr holds this. */
  stderrHas(text: string | RegExp): Promise<void>;
}

export function start(
  words: readonly string[],
  { cwd, env }: { cwd?: string; env?: Record<string, string> } = {},
): Started {
  // The launcher in node_modules/.bin may be a script that starts Node; exec hands it signals directly.
  const child = spawn(node, [join(root, "src", "cli", "main.ts"), ...words], {
    cwd: cwd ?? root,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: process.env.PIXELCNN_SLOW ? 600_000 : 60_000,
    killSignal: "SIGKILL",
  });
  let stdout = "";
  let stderr = "";
  const watchers = new Set<() => void>();
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const watch of watchers) watch();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    finished,
    stderrHas: (text) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!(typeof text === "string" ? stderr.includes(text) : text.test(stderr))) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
        finished.then(() => reject(new Error(`ended without ${text} on stderr:\n${stderr}`)), reject);
      }),
  };
}

export function pixelcnn(
  words: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Finished> {
  return start(words, options).finished;
}

export function scratchFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `pixelcnn-${name}-`));
}

/** A folder of IDX files, 8x8 blots: 60 to train on, 20 to test on. */
export function tinyData(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, count] of [
    ["train", 60],
    ["t10k", 20],
  ] as const) {
    const random = randomFrom(count);
    const bytes = new Uint8Array(16 + count * 64);
    bytes.set([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 8, 0, 0, 0, 8]);
    for (let i = 0; i < count; i++) {
      const [y, x] = [random.below(6), random.below(6)];
      for (let p = 0; p < 4; p++) bytes[16 + i * 64 + (y + (p >> 1)) * 8 + x + (p & 1)] = 255;
    }
    writeFileSync(join(folder, `${name}-images-idx3-ubyte`), bytes);
  }
  return folder;
}

/** A model that trains in a moment: options for `train`. */
export const TINY = [
  "--threads",
  "1",
  ...[
    "data.binarise=threshold",
    "model.features=4",
    "model.depth=2",
    "model.skip=4",
    "model.head.features=8",
    "train.batch=8",
  ].flatMap((s) => ["--set", s]),
];
