/**
 * For tests of `encode`, `reconstruct` and `interpolate`: model folders of random weights and images, in a scratch
 * folder.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decode, encode } from "fast-png";
import { afterAll, beforeAll, expect } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import { createEngine } from "../exact/engine.ts";
import { decode as decodeCodes, encode as encodeCodes } from "../measure/encode.ts";
import { randomParameters } from "../models/families.test-support.ts";
import { modelParameters } from "../models/families.ts";
import { pixelcnnOf } from "../models/model.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import type { ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { type RunConfig, resolveRun } from "../train/config.ts";
import { pixelcnn, scratchFolder } from "./command-line.test-support.ts";

export const scratch = scratchFolder("latent");
export const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export const SHAPE = { height: 6, width: 8, channels: 1, levels: 4 };
export const SIZE = 48;
export const NETWORK = { features: 4, depth: 2, firstKernel: 5, skip: 0, head: { features: 6 } };
export const ENCODER = { features: [4], hidden: 5 };

export interface Model {
  readonly config: RunConfig;
  readonly parameters: ParameterMap;
}
export const models: Record<string, Model> = {};

/** A model folder of random weights. */
export function modelAt(name: string, model: object, run: object = {}): void {
  const config: RunConfig = resolveRun({ data: { source: "mnist", levels: 4 }, ...run, model: { ...SHAPE, ...model } });
  const parameters = randomParameters(modelParameters(config.model));
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at(name, "config.json"), JSON.stringify(config));
  writeFileSync(at(name, "model.safetensors"), writeSafeTensors(parameters, { format: "1", step: "3" }));
  models[name] = { config, parameters };
}

/** Levels of picture i; a level's grey is the level again when it is read. */
export function levelsOf(i: number): Uint8Array {
  const random = randomFrom(100 + i);
  return Uint8Array.from({ length: SIZE }, () => random.below(4));
}
export const greys = (levels: ArrayLike<number>): number[] => Array.from(levels, (v) => 85 * v);

export const PEOPLE = ["anna/1.png", "anna/2, smiling.png", 'ben/"3".png', "ben/4.png", "ben/5.png"];
beforeAll(() => {
  modelAt("latents", {
    family: "autoencoder",
    latents: 3,
    encoder: ENCODER,
    decoder: { kind: "pixelcnn", ...NETWORK },
  });
  modelAt("blurred", {
    family: "autoencoder",
    latents: 2,
    encoder: ENCODER,
    decoder: { kind: "deconvolution", features: [6, 4] },
  });
  modelAt("faces", { family: "embedder", size: 4, encoder: ENCODER });
  modelAt(
    "portraits",
    { ...NETWORK, condition: { kind: "vector", size: 4 } },
    { condition: { from: "encoder", model: "encoder", of: "class" }, train: { conditionDropout: 0.1 } },
  );
  cpSync(at("faces"), at("portraits", "encoder"), { recursive: true });
  const map = { kind: "map", height: 2, width: 3, channels: 1, features: 4 };
  modelAt("small", { ...NETWORK, condition: map }, { condition: { from: "thumbnail", height: 2, width: 3 } });
  modelAt("plain", NETWORK);
  modelAt(
    "classes",
    { ...NETWORK, condition: { kind: "class", classes: ["cat", "dog", "C++"] } },
    { condition: { from: "class" } },
  );
  modelAt("captions", { ...NETWORK, condition: { kind: "vector", size: 384 } }, { condition: { from: "captions" } });
  modelAt("fine", {
    levels: 256,
    family: "autoencoder",
    latents: 2,
    encoder: ENCODER,
    decoder: { kind: "deconvolution" },
  });
  for (const [i, name] of PEOPLE.entries()) {
    mkdirSync(dirname(at("people", name)), { recursive: true });
    const data = Uint8Array.from(greys(levelsOf(i)));
    writeFileSync(at("people", name), encode({ width: 8, height: 6, channels: 1, depth: 8, data }));
  }
  writeFileSync(at("large.png"), encode({ width: 9, height: 6, channels: 1, depth: 8, data: new Uint8Array(54) }));
});
export const A = join("people", PEOPLE[0]!);
export const B = join("people", PEOPLE[2]!);

/** The one object that a command prints with --json. */
export async function json(...words: string[]): Promise<Record<string, never> & { code: number; stderr: string }> {
  const { code, stdout, stderr } = await pixelcnn([...words, "--json"], { cwd: scratch });
  expect(stdout, stderr).toMatch(/^\{.*\}\n$/);
  return { code, stderr, ...JSON.parse(stdout) };
}

/** Codes of pictures by the library. */
export function codesOf(name: string, ...pictures: number[]): Promise<Float32Array> {
  const { config, parameters } = models[name]!;
  const data = datasetFromArrays(
    { name: "pictures", split: "all", classes: null, ...SHAPE },
    Uint8Array.from(pictures.flatMap((i) => [...levelsOf(i)])),
  );
  return encodeCodes({ config: config.model, parameters }, data, { threads: 1 });
}

/** Greys of `count` samples of a seed under one condition, by the library. */
export async function samplesOf(
  name: string,
  condition: Float32Array,
  count: number,
  seed = 1,
  guidance = 0,
): Promise<number[][]> {
  const { config, parameters } = models[name]!;
  const engine = createEngine(pixelcnnOf({ config: config.model, parameters }));
  const { pixels } = await engine.sample({ count, seed, guidance, height: 6, width: 8, conditions: condition });
  return Array.from({ length: count }, (_, i) => greys(pixels.subarray(i * SIZE, (i + 1) * SIZE)));
}

/** Greys of reconstructions by a deconvolution, by the library. */
export async function blurredOf(codes: Float32Array): Promise<{ levels: Float32Array; greys: number[][] }> {
  const { config, parameters } = models.blurred!;
  const levels = await decodeCodes({ config: config.model, parameters }, codes, { threads: 1 });
  const all = Array.from(levels, (v) => Math.round(85 * v));
  return { levels, greys: Array.from({ length: codes.length / 2 }, (_, i) => all.slice(i * SIZE, (i + 1) * SIZE)) };
}

/** Cells of a picture of scale 1, row by row. */
export function cellsOf(file: string, rows: number, columns: number): number[][][] {
  const { width, height, channels, data } = decode(readFileSync(at(file)));
  expect([width, height, channels]).toEqual([2 + columns * 10, 2 + rows * 8, 1]);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) =>
      Array.from({ length: SIZE }, (_, p) => data[(2 + row * 8 + (p >> 3)) * width + 2 + column * 10 + (p & 7)]!),
    ),
  );
}
export const bytes = (file: string): Buffer => readFileSync(at(file));
