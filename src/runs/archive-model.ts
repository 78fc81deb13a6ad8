/**
 * Models as a codec needs them, and the search for the one that an archive was coded with: the user's, else the one
 * inside it, else what the archive's notes name, else a shipped one. Notes may come from anyone, so only a plain folder
 * below here or beside the archive is looked into.
 */

import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path";
import { hex } from "../codec/digest.ts";
import { type EnginePredictor, enginePredictor } from "../codec/engine-predictor.ts";
import { type GroupThreads, openGroupThreads } from "../codec/group-threads.ts";
import { archiveModel, salvageModel } from "../codec/inner-model.ts";
import type { WeightPrecision } from "../codec/rounded-weights.ts";
import { type RoundedModel, roundModel, type StoredModel } from "../codec/stored-model.ts";
import { fail } from "../errors.ts";
import type { ExactModel } from "../exact/plan.ts";
import { isArchive, readArchive } from "./archive-file.ts";
import { type OpenedPixelcnn, openPixelcnn } from "./open-model.ts";
import { earlierModels, shippedModels } from "./shipped-models.ts";

/** What codes and decodes with a model. */
interface Coder {
  readonly predictor: EnginePredictor;
  /** Absent on one thread. */
  readonly groups: GroupThreads | undefined;
  close(): Promise<void>;
}

export interface CodingModel extends OpenedPixelcnn, Coder {
  /** The model as its archives keep it, where they do: its weights are this model's. */
  readonly inside: RoundedModel | undefined;
}

/** The model of an archive, wherever it was found. */
export interface DecodingModel extends Coder {
  readonly name: string;
  readonly step: number;
}

/** What an archive's own model is called. */
const INSIDE = "the model inside";

/** `withModel`: for archives that hold their model, whose weights are rounded for that. */
export async function openCodingModel(
  name: string,
  threads: number,
  withModel?: boolean | WeightPrecision,
): Promise<CodingModel> {
  const opened = await openPixelcnn(name);
  const inside = withModel ? roundModel(opened, withModel, { step: opened.step }) : undefined;
  const used = inside ? { ...opened, config: inside.config, parameters: inside.parameters } : opened;
  return { ...used, inside, ...(await coderOf(used, threads)) };
}

async function coderOf(model: ExactModel, threads: number): Promise<Coder> {
  const predictor = await enginePredictor(model);
  const groups = threads > 1 ? openGroupThreads(model, predictor, { count: threads }) : undefined;
  return {
    predictor,
    groups,
    async close() {
      await groups?.close();
      await predictor.close();
    },
  };
}

const decoderOf = async (model: StoredModel, threads: number): Promise<DecodingModel> => ({
  name: INSIDE,
  step: model.step ?? 0,
  ...(await coderOf(model, threads)),
});

/** The model inside an archive; null without one. `salvage`: of one whose header is damaged too. */
export async function openInnerModel(
  bytes: Uint8Array,
  { threads, salvage }: { readonly threads: number; readonly salvage?: boolean | undefined },
): Promise<DecodingModel | null> {
  const model = salvage ? salvageModel(bytes) : await archiveModel(bytes);
  return model && decoderOf(model, threads);
}

/**
 * How an archive names its model: a shipped name, or a folder's place below the working directory, or its last part.
 */
export function modelHint(name: string): string {
  if (!existsSync(name)) return name;
  const below = relative(process.cwd(), name);
  return below === "" || below.startsWith("..") || isAbsolute(below) ? basename(name) : below.split(sep).join("/");
}

/** A model's folder or name, or an archive that holds it: another copy, where one is damaged. */
async function openGiven(given: string, threads: number): Promise<DecodingModel> {
  if (!(await isArchive(given))) return openCodingModel(given, threads);
  const model = await openInnerModel(await readArchive(given), { threads });
  return model ?? fail("model", `expected a model, or an archive with its model inside, but ${given} holds none`);
}

/** The model of an archive that is not inside it; `hint` is what its notes say. */
export async function findCodingModel(
  wanted: string,
  {
    given,
    hint,
    archive,
    threads,
  }: { given?: string | undefined; hint?: string | undefined; archive: string; threads: number },
): Promise<DecodingModel> {
  const from = hint === undefined ? "" : `, named ${JSON.stringify(hint)} when ${basename(archive)} was made`;
  if (given !== undefined) {
    const model = await openGiven(given, threads);
    const digest = hex(model.predictor.digest);
    if (digest.startsWith(wanted)) return model;
    await model.close();
    return fail(
      "model",
      `expected the model with the digest ${wanted}${from}, which coded ${archive}, but received ${given}, whose ` +
        `digest is ${digest}`,
    );
  }
  // The likeliest first: each place is a model to load and to hash.
  const shipped = [...shippedModels(), ...earlierModels()];
  const hinted = hint === undefined ? [] : [...shipped.filter((name) => name === hint), ...placesOf(hint, archive)];
  const places = [...new Set([...hinted, ...shipped])];
  for (const place of places) {
    const model = await openCodingModel(place, threads).catch(() => null);
    if (model && hex(model.predictor.digest).startsWith(wanted)) return model;
    await model?.close();
  }
  const looked = places.length === 0 ? "there was nowhere to look" : `none of these is it: ${places.join(", ")}`;
  return fail(
    "model",
    `expected the model with the digest ${wanted}${from}, which coded ${archive}, but ${looked}; say where it is ` +
      "with --model M",
  );
}

function placesOf(hint: string, archive: string): string[] {
  const parts = hint.split(/[\\/]/);
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes(":"))) return [];
  const places = [join(...parts), join(dirname(archive), ...parts)];
  return [...new Set(places)].filter((place) => existsSync(join(place, "config.json")));
}
