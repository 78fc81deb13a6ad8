/**
 * A model as its two files, `config.json` and `model.safetensors`: written and read in memory, so that a page and Node
 * exchange them. docs/file-format.md.
 */

import { fail, parseJson, show } from "../errors.ts";
import { modelParameters } from "../models/families.ts";
import type { Model } from "../models/model.ts";
import { readSafeTensors, writeSafeTensors } from "../models/safetensors.ts";
import { checkParameters } from "../network/parameters.ts";
import { type RunConfig, resolveRun } from "../train/config.ts";

/** A model and the run that trained it. */
export interface TrainedModel extends Model {
  readonly run: RunConfig;
  /** Training steps behind the weights. */
  readonly step: number;
}

/** A file's contents, in any of the forms that callers have. */
export type FileContents = string | Uint8Array | ArrayBuffer | Blob;

/** Files by their names; a path in front of a name does not matter. */
export type ModelFiles = Readonly<Record<string, FileContents>>;

export const CONFIG = "config.json";
export const WEIGHTS = "model.safetensors";

/** The two files of a model, to save or to send. */
export function modelFiles({ run, parameters, step }: TrainedModel): {
  "config.json": string;
  "model.safetensors": Uint8Array<ArrayBuffer>;
} {
  return {
    [CONFIG]: `${JSON.stringify(run, null, 2)}\n`,
    [WEIGHTS]: writeSafeTensors(parameters, { format: "1", step: String(step) }),
  };
}

/** Reads the text of config.json. `where` is what an error calls it. */
export function readRunText(text: string, where: string): RunConfig {
  const json = parseJson(text, (cause) => fail("model", `expected JSON in ${where} but ${cause.message}`, cause));
  try {
    return resolveRun(json);
  } catch (cause) {
    return fail("model", `${where}: ${(cause as Error).message}`, cause);
  }
}

/** Reads the two files. `where` is the folder that an error names, with its slash. */
export async function readModelFiles(files: ModelFiles, where = ""): Promise<TrainedModel> {
  const find = (name: string): FileContents => {
    const key = Object.keys(files).find((path) => path === name || path.endsWith(`/${name}`));
    const given = Object.keys(files).map(show).join(", ") || "none";
    return key === undefined
      ? fail("model", `expected the files ${CONFIG} and ${WEIGHTS} of a model but received ${given}`)
      : files[key]!;
  };
  const run = readRunText(new TextDecoder().decode(await bytesOf(find(CONFIG))), `${where}${CONFIG}`);
  const { tensors, metadata } = readSafeTensors(await bytesOf(find(WEIGHTS)), `${where}${WEIGHTS}`);
  checkParameters(modelParameters(run.model), tensors);
  return { config: run.model, parameters: tensors, run, step: Number(metadata.step ?? 0) };
}

async function bytesOf(contents: FileContents): Promise<Uint8Array> {
  if (typeof contents === "string") return new TextEncoder().encode(contents);
  if (contents instanceof Uint8Array) return contents;
  return new Uint8Array(contents instanceof ArrayBuffer ? contents : await contents.arrayBuffer());
}
