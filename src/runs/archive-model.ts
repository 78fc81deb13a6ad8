/**
 * Models as a codec needs them, and the search for the one that an archive was coded with: the user's, else what the
 * archive's notes name, else a shipped one. Notes may come from anyone, so only a plain folder below here or beside the
 * archive is looked into.
 */

import { existsSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, sep } from "node:path";
import { hex } from "../codec/digest.ts";
import { type EnginePredictor, enginePredictor } from "../codec/engine-predictor.ts";
import { type GroupThreads, openGroupThreads } from "../codec/group-threads.ts";
import { fail } from "../errors.ts";
import { type OpenedPixelcnn, openPixelcnn } from "./open-model.ts";
import { shippedModels } from "./shipped-models.ts";

export interface CodingModel extends OpenedPixelcnn {
  readonly predictor: EnginePredictor;
  /** Absent on one thread. */
  readonly groups: GroupThreads | undefined;
  close(): Promise<void>;
}

export async function openCodingModel(name: string, threads: number): Promise<CodingModel> {
  const opened = await openPixelcnn(name);
  const predictor = await enginePredictor(opened);
  const groups = threads > 1 ? openGroupThreads(opened, predictor, { count: threads }) : undefined;
  return {
    ...opened,
    predictor,
    groups,
    async close() {
      await groups?.close();
      await predictor.close();
    },
  };
}

/**
 * How an archive names its model: a shipped name, or a folder's place below the working directory, or its last part.
 */
export function modelHint(name: string): string {
  if (!existsSync(name)) return name;
  const below = relative(process.cwd(), name);
  return below === "" || below.startsWith("..") || isAbsolute(below) ? basename(name) : below.split(sep).join("/");
}

/** The model of an archive; `hint` is what its notes say. */
export async function findCodingModel(
  wanted: string,
  {
    given,
    hint,
    archive,
    threads,
  }: { given?: string | undefined; hint?: string | undefined; archive: string; threads: number },
): Promise<CodingModel> {
  const from = hint === undefined ? "" : `, named ${JSON.stringify(hint)} when ${basename(archive)} was made`;
  if (given !== undefined) {
    const model = await openCodingModel(given, threads);
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
  const shipped = shippedModels();
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
