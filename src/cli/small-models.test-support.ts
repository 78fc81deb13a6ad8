/**
 * For tests of the command line: a folder of small pictures whose subfolders are classes, and model folders of random
 * weights.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { randomParameters } from "../models/families.test-support.ts";
import { modelParameters } from "../models/families.ts";
import { writeSafeTensors } from "../models/safetensors.ts";
import type { ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { type RunConfig, resolveRun } from "../train/config.ts";

/** In the order of their labels. */
export const PATTERNS = ["columns", "dots", "rows"];
export const SIDE = { height: 8, width: 8, channels: 1, levels: 2 };
export const NETWORK = { features: 4, depth: 2, firstKernel: 3, skip: 4, head: { features: 8 } };
export const ENCODER = { features: [4], hidden: 4 };

export function writePng(path: string, levels: ArrayLike<number>, { height, width } = SIDE): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, encode({ width, height, channels: 1, depth: 8, data: Uint8Array.from(levels, (v) => 255 * v) }));
}

/** 8x8 pictures of two levels: `each` of columns, of dots and of rows, with some noise. */
export function patternFolder(folder: string, each = 6): string {
  PATTERNS.forEach((name, label) => {
    for (let i = 0; i < each; i++) {
      const random = randomFrom(7, label, i);
      const level = (p: number): number => [p % 2, random.below(2), (p >> 3) % 2][label]!;
      const levels = Array.from({ length: 64 }, (_, p) => (random.below(20) === 0 ? 1 - level(p) : level(p)));
      writePng(join(folder, name, `${i}.png`), levels);
    }
  });
  return folder;
}

export interface SmallModel {
  readonly folder: string;
  readonly config: RunConfig;
  readonly parameters: ParameterMap;
}

/** A model folder of random weights for 8x8 images of two levels. */
export function modelAt(folder: string, model: object, run: object = {}): SmallModel {
  const config: RunConfig = resolveRun({ data: { source: "none" }, ...run, model: { ...SIDE, ...model } });
  const parameters = randomParameters(modelParameters(config.model));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  writeFileSync(join(folder, "model.safetensors"), writeSafeTensors(parameters, { format: "1", step: "3" }));
  return { folder, config, parameters };
}
