/**
 * For tests of `score`, `compress`, `decompress` and `complete`: model folders of random weights and images, in a
 * scratch folder.
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import sharp from "sharp";
import { afterAll, beforeAll, expect } from "vitest";
import type { PixelcnnConfig } from "../models/config.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import { initialise, type ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { resolveRun } from "../train/config.ts";
import { pixelcnn, scratchFolder } from "./command-line.test-support.ts";

export const scratch = scratchFolder("codec");
export const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

export interface Model {
  readonly config: PixelcnnConfig;
  readonly parameters: ParameterMap;
}

/** A model folder of random weights. */
export function modelAt(name: string, channels: number, levels: number, data: object = {}): Model {
  const features = 4 * channels;
  const run = resolveRun({
    data: { source: "mnist", ...data },
    model: { height: 6, width: 8, channels, levels, features, depth: 2, firstKernel: 5, skip: 0, head: { features } },
  });
  const specs = pixelcnnParameters(run.model).map((spec) => ({ ...spec, bound: 1.5 * (spec.bound || 0.5) }));
  const parameters = initialise(specs, randomFrom(7));
  mkdirSync(at(name), { recursive: true });
  writeFileSync(at(name, "config.json"), JSON.stringify(run));
  writeFileSync(at(name, "model.safetensors"), writeSafeTensors(parameters, { format: "1", step: "0" }));
  return { config: run.model, parameters };
}

export type Level = (p: number) => number;
export function png(
  path: string,
  width: number,
  height: number,
  channels: 1 | 2 | 3 | 4,
  level: Level,
  depth: 8 | 16 = 8,
): string {
  const data = Uint16Array.from({ length: width * height * channels }, (_, p) => level(p));
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), encode({ width, height, channels, depth, data: depth === 8 ? Uint8Array.from(data) : data }));
  return at(path);
}
export const noise = (seed: number): Level => {
  const random = randomFrom(seed);
  return () => random.below(256);
};

/** Red, green, blue, alpha of every pixel, by another decoder than the one under test. */
export async function pixelsOf(path: string): Promise<{ width: number; height: number; rgba: string }> {
  const { data, info } = await sharp(path)
    .ensureAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: data.toString("hex") };
}

export interface Answer {
  readonly code: number | null;
  readonly stderr: string;
  readonly error: { readonly kind: string; readonly message: string };
  readonly bytes: number;
  readonly payload: number;
  readonly modelBytes: number;
  readonly bitsPerDim: number;
  readonly images: unknown;
  readonly lost: unknown;
  readonly heatmap: unknown;
  readonly files: readonly unknown[];
  readonly each: readonly { readonly file: string; readonly bits: number; readonly pixels: number[] }[];
}

/** The one object that a command prints with --json; nothing else may stand on stdout. */
export async function json(...words: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await pixelcnn([...words, "--json"], { cwd: scratch });
  expect(stdout, stderr).toMatch(/^\{.*\}\n$/);
  return { code, stderr, ...JSON.parse(stdout) };
}

export let binary: Model;
beforeAll(() => {
  binary = modelAt("binary", 1, 2);
  modelAt("thresholded", 1, 2, { binarise: "threshold" });
  modelAt("grey", 1, 256);
  modelAt("colour", 3, 256);
  modelAt("alpha", 4, 256);
  png("odd/dot.png", 1, 1, 1, () => 255);
  png("odd/deep/wide.png", 201, 37, 1, (p) => (((p % 201) * 7 + p) % 5 < 2 ? 128 : 3));
  png("odd/flat.png", 5, 9, 1, () => 77);
  png("odd/deep/plain.png", 8, 6, 1, (p) => ((p * p) % 3 === 0 ? 255 : 0));
  writeFileSync(at("text.png"), "text");
  png("odd/plain 2.png", 8, 6, 1, (p) => (p % 3 === 0 ? 255 : 0));
});
