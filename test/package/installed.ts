/**
 * The package as a stranger gets it: built, packed, and installed from the tarball into empty folders. Done once a
 * run of the tests, by whichever file asks first; the others wait for it.
 */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Installed {
  /**
   * `npm install`, and nothing else. Where the native runtime's own install script fails, npm leaves that package
   * out.
   */
  readonly plain: string;
  /** `npm install --ignore-scripts --offline`, after the other: has the native runtime. */
  readonly native: string;
  /** The same packages without the native runtime. */
  readonly withoutNative: string;
  readonly tarball: string;
  readonly bytes: number;
  /** Of each `npm install`. */
  readonly seconds: { readonly plain: number; readonly native: number };
  /** What npm printed. */
  readonly printed: string;
}

/** The installed package; or, where there is no network and no cache, why there is none. */
export async function install(): Promise<Installed | string> {
  const folder = inject("packageFolder");
  const done = join(folder, "done.json");
  try {
    mkdirSync(join(folder, "begun"));
  } catch {
    while (!existsSync(done)) await setTimeout(200);
    return resultOf(JSON.parse(readFileSync(done, "utf8")) as Outcome);
  }
  const outcome = attempt(folder);
  // Renamed, so that whoever waits never reads half of it.
  writeFileSync(`${done}.part`, JSON.stringify(outcome));
  renameSync(`${done}.part`, done);
  return resultOf(outcome);
}

type Outcome = { readonly installed: Installed } | { readonly absent: string } | { readonly failed: string };

function attempt(folder: string): Outcome {
  try {
    return { installed: installNow(folder) };
  } catch (error) {
    const { message } = error as Error;
    if (/ENOTCACHED|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT/.test(message))
      return { absent: "npm's registry cannot be reached and its cache does not hold the packages" };
    return { failed: message };
  }
}

function resultOf(outcome: Outcome): Installed | string {
  if ("failed" in outcome) throw new Error(`the package did not install: ${outcome.failed}`);
  return "installed" in outcome ? outcome.installed : outcome.absent;
}

function installNow(folder: string): Installed {
  // The build is a part of it: package.json's prepack.
  const [packed] = JSON.parse(
    npm(root, "pack", "--json", "--silent", "--pack-destination", folder).replace(/^[^[]*/, ""),
  ) as {
    filename: string;
    size: number;
  }[];
  const tarball = join(folder, packed!.filename);
  const printed: string[] = [];
  const into = (name: string, ...flags: string[]): [string, number] => {
    const place = join(folder, name);
    mkdirSync(place);
    const began = performance.now();
    printed.push(npm(place, "install", tarball, "--no-audit", "--no-fund", ...flags));
    return [place, (performance.now() - began) / 1000];
  };
  const [plain, plainSeconds] = into("plain", "--prefer-offline");
  const [native, nativeSeconds] = into("native", "--ignore-scripts", "--offline");
  const withoutNative = join(folder, "without-native");
  copyWithout(native, withoutNative, "onnxruntime-node");
  return {
    plain,
    native,
    withoutNative,
    tarball,
    bytes: packed!.size,
    printed: printed.join("\n"),
    seconds: { plain: plainSeconds, native: nativeSeconds },
  };
}

/** Hard links to an installed folder's packages, but for one: its own files are 300 MB. */
function copyWithout(from: string, to: string, left: string): void {
  const packages = "node_modules";
  mkdirSync(join(to, packages), { recursive: true });
  for (const name of readdirSync(join(from, packages))) {
    if (name === left) continue;
    const { status } = spawnSync("cp", ["-al", join(from, packages, name), join(to, packages, name)]);
    if (status !== 0) cpSync(join(from, packages, name), join(to, packages, name), { recursive: true });
  }
}

/** Milliseconds that npm may take: a connection to the registry may hang without end, and then a second try helps. */
const NPM_TIMEOUT = 120_000;

/** Runs npm without the settings that this repository's own npm hands on. */
function npm(cwd: string, ...words: string[]): string {
  const run = () =>
    spawnSync(process.platform === "win32" ? "npm.cmd" : "npm", words, {
      cwd,
      env: strangersEnvironment(),
      encoding: "utf8",
      maxBuffer: 1e8,
      timeout: NPM_TIMEOUT,
    });
  const first = run();
  const { status, stdout, stderr } = first.signal === null ? first : run();
  if (status !== 0) throw new Error(`npm ${words.join(" ")} ended with ${status}:\n${stdout}\n${stderr}`);
  return stdout;
}

/** The environment of this process without what `npm test` adds to it: variables, and programs of this repository. */
export function strangersEnvironment(): NodeJS.ProcessEnv {
  const kept = /^npm_config_(cache|registry|cafile|userconfig|globalconfig|proxy|https?_proxy|noproxy)$/i;
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_|VITEST|VITE_)/i.test(name) || kept.test(name),
  );
  return Object.fromEntries(own);
}

/** The Node of this repository, 24, and one of version 20 where there is one on the path. */
export function nodes(): { readonly version: string; readonly path: string }[] {
  const inPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  const found = new Map<string, string>();
  for (const path of [join(root, "node_modules", ".bin", "node"), process.execPath, ...inPath]) {
    if (!existsSync(path)) continue;
    const version = spawnSync(path, ["-p", "process.versions.node"], { encoding: "utf8" }).stdout.trim().split(".")[0]!;
    if (["20", "24"].includes(version) && !found.has(version)) found.set(version, path);
  }
  return [...found].map(([version, path]) => ({ version, path })).sort((a, b) => a.version.localeCompare(b.version));
}
