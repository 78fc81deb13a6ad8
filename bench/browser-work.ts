/**
 * The work that bench/browser.ts times, the same module in Node and, bundled, in Chromium's page: samples of a model on
 * the calling thread.
 */

import { createEngine, type Engine } from "../src/exact/engine.ts";
import type { PixelcnnConfig } from "../src/models/config.ts";
import { readSafeTensors } from "../src/models/safetensors.ts";

let engine: Engine;
let size: { height: number; width: number };

/** Readies a model from the text of its config.json and the bytes of its weights. */
export function prepare(config: string, weights: Uint8Array): void {
  const { model } = JSON.parse(config) as { model: PixelcnnConfig };
  engine = createEngine({ config: model, parameters: readSafeTensors(weights, "model.safetensors").tensors });
  size = { height: model.height, width: model.width };
}

/** As `prepare`, from a server's folder. */
async function prepareFrom(folder: string): Promise<void> {
  const file = async (name: string): Promise<Response> => fetch(`${folder}/${name}`);
  prepare(
    await (await file("config.json")).text(),
    new Uint8Array(await (await file("model.safetensors")).arrayBuffer()),
  );
}

/** Milliseconds of so many samples in one lock step, and the pixels as text, which must be the same wherever it ran. */
export async function sampled(count: number): Promise<{ ms: number; pixels: string }> {
  const started = performance.now();
  const { pixels } = await engine.sample({ ...size, count, seed: 1 });
  return { ms: performance.now() - started, pixels: pixels.join("") };
}

Object.assign(globalThis, { prepareFrom, sampled });
