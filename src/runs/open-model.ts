/**
 * One door to a trained model, in Node and in browsers: a folder, the name of a shipped model, a URL, or the files
 * themselves.
 */

import { fail } from "../errors.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import type { ModelConfig } from "../models/families.ts";
import { pixelcnnOf } from "../models/model.ts";
import { didYouMean } from "../nearest.ts";
import { inNode, nodeModule } from "../platform.ts";
import { reasonOf } from "../words.ts";
import { CONFIG, type ModelFiles, readModelFiles, type TrainedModel, WEIGHTS } from "./model-files.ts";
import { shippedFiles, shippedModels } from "./shipped-models.ts";

/** A model that was opened from somewhere. */
export interface OpenedModel<C extends ModelConfig = ModelConfig> extends TrainedModel {
  readonly config: C;
  /** The name, path or URL that it was opened by. */
  readonly name: string;
  /** Its folder, in Node; null where it came from elsewhere. */
  readonly folder: string | null;
}

/**
 * A model that gives the probability of an image: a PixelCNN, or the decoder of an auto-encoder whose decoder is one.
 */
export interface OpenedPixelcnn extends OpenedModel<PixelcnnConfig> {
  /** What it was opened from. */
  readonly whole: OpenedModel;
}

/**
 * Opens a model of any family. `source`: in Node a run's or model's folder; anywhere the name of a model that ships
 * with the package; the URL of a folder that holds config.json and model.safetensors; or these two files by their
 * names. Fails with "usage" for a name that nothing has, with "io" or "model" for files that are missing or do not
 * fit.
 */
export async function openModel(source: string | URL | ModelFiles): Promise<OpenedModel> {
  if (source instanceof URL) return openUrl(source, source.href);
  if (typeof source !== "string") return { ...(await readModelFiles(source)), name: "the model's files", folder: null };
  const folder = inNode ? findFolder(source) : null;
  if (folder !== null) return openFolder(folder, source);
  if (shippedFiles(source)) return openShipped(source);
  if (/^(https?|blob|data|file):/.test(source) || (!inNode && /[/.]/.test(source)))
    return openUrl(new URL(source, globalThis.location?.href), source);
  return unknown(source);
}

/** The folder of a model that was opened from one. */
export const folderOf = ({ folder, name }: OpenedModel): string =>
  folder ?? fail("usage", `expected a model in a folder of this disk but ${name} is none`);

/** Opens a model that gives probabilities; for an auto-encoder, its decoder. */
export async function openPixelcnn(source: string | URL | ModelFiles): Promise<OpenedPixelcnn> {
  const whole = await openModel(source);
  return { ...whole, ...pixelcnnOf(whole, whole.name), whole };
}

function unknown(name: string): never {
  const shipped = shippedModels();
  return fail(
    "usage",
    `expected a run or model folder, or the name of a shipped model (${shipped.join(", ")}), but received ` +
      `${JSON.stringify(name)}${didYouMean(name, shipped)}`,
  );
}

/**
 * Where a model lies on this disk; a path that exists comes before a shipped name. Null where there is no such
 * folder.
 */
export function findFolder(name: string): string | null {
  const { existsSync } = nodeModule<typeof import("node:fs")>("node:fs")!;
  const { join } = nodeModule<typeof import("node:path")>("node:path")!;
  if (existsSync(join(name, CONFIG))) return name;
  const shipped = shippedFiles(name);
  if (shipped) return pathOf(new URL(".", shipped.config));
  if (existsSync(name)) {
    const { readdirSync, statSync } = nodeModule<typeof import("node:fs")>("node:fs")!;
    const entries = statSync(name).isDirectory() ? readdirSync(name) : [];
    const inside = entries.find((entry) => existsSync(join(name, entry, CONFIG)));
    const hint = inside === undefined ? "" : `; ${join(name, inside)} is one`;
    return fail("model", `expected a run or model folder at ${name} but it holds no ${CONFIG}${hint}`);
  }
  return null;
}

async function openFolder(folder: string, name: string): Promise<OpenedModel> {
  const { existsSync } = nodeModule<typeof import("node:fs")>("node:fs")!;
  const { readFile } = nodeModule<typeof import("node:fs/promises")>("node:fs/promises")!;
  const { join } = nodeModule<typeof import("node:path")>("node:path")!;
  if (!existsSync(join(folder, WEIGHTS)))
    fail(
      "model",
      `expected weights in ${folder} but there is no ${WEIGHTS}: the run was stopped before its first checkpoint; ` +
        "train on with: " +
        `pixelcnn train --resume --out ${folder}`,
    );
  const read = (file: string): Promise<Uint8Array> =>
    readFile(join(folder, file)).catch((error: Error) =>
      fail("io", `cannot read ${join(folder, file)}: ${reasonOf(error)}`, error),
    );
  const files = { [CONFIG]: await read(CONFIG), [WEIGHTS]: await read(WEIGHTS) };
  return { ...(await readModelFiles(files, join(folder, "/"))), name, folder };
}

function openUrl(folder: URL, name: string): Promise<OpenedModel> {
  if (inNode && folder.protocol === "file:") return openFolder(pathOf(folder), name);
  const base = folder.href.endsWith("/") ? folder : new URL(`${folder.href}/`);
  return openFiles(new URL(CONFIG, base), new URL(WEIGHTS, base), name);
}

/** Of a folder, without a slash at its end. */
const pathOf = (url: URL): string =>
  nodeModule<typeof import("node:url")>("node:url")!
    .fileURLToPath(url)
    .replace(/(?<=.)[\\/]$/, "");

async function openShipped(name: string): Promise<OpenedModel> {
  try {
    const { config, weights } = shippedFiles(name)!;
    return await openFiles(config, weights, name);
  } catch (cause) {
    return fail(
      "io",
      `cannot open the model ${name} that ships with pixelcnn: ${(cause as Error).message}. ` +
        "Where the bundler does not copy the files of packages, serve a copy of " +
        `node_modules/pixelcnn/models/${name} and open that: openModel("/models/${name}/"); see docs/web.md`,
      cause,
    );
  }
}

async function openFiles(config: URL, weights: URL, name: string): Promise<OpenedModel> {
  const [text, bytes] = await Promise.all([fetched(config), fetched(weights)]);
  return { ...(await readModelFiles({ [CONFIG]: text, [WEIGHTS]: bytes }, `${name}/`)), name, folder: null };
}

async function fetched(url: URL): Promise<ArrayBuffer> {
  const response = await fetch(url).catch((cause: Error) => fail("io", `cannot fetch ${url}: ${cause.message}`, cause));
  if (!response.ok) fail("io", `expected a file at ${url} but the server answered ${response.status}`);
  // A server that answers any address with its page would give HTML for a file that is not there.
  if (/text\/html/.test(response.headers.get("content-type") ?? ""))
    fail("io", `expected a model's file at ${url} but the server answered with a page of HTML`);
  return response.arrayBuffer();
}

/** What reports say of a model. */
export interface AboutModel {
  readonly name: string;
  readonly step: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
}

export function aboutModel({ name, step, config }: OpenedPixelcnn): AboutModel {
  const { height, width, channels, levels } = config;
  return { name, step, height, width, channels, levels };
}
