/**
 * For tests: hashes of samples and of whole tables of frequencies of fixed random models of each family, for any way of
 * running the engine, in Node and in browsers.
 */

import { type Condition, createEngine, type Engine, type EngineOptions, type GivenImages } from "./engine.ts";
import {
  configOf,
  diagonalBilstmConfigOf,
  plainConfigOf,
  randomModel,
  randomPixels,
  rowLstmConfigOf,
} from "./naive.test-support.ts";

const recurrent = { features: 16, firstKernel: 7, head: { kind: "categorical", features: 24 } };
/** Options of the Gated PixelCNN; a map of positions has the size of the images below. */
const OPTIONS = { height: 7, width: 9, columnEvery: 1, position: 2, bits: 8, perceptron: 12 };

const mixtureOf = (components: number) => ({ kind: "mixture", features: 12, components });

export const models = {
  grey: randomModel(
    configOf({
      levels: 2,
      features: 16,
      skip: 16,
      depth: 4,
      firstKernel: 7,
      dilations: [1, 2, 4],
      head: { kind: "categorical", features: 24 },
    }),
    1,
  ),
  colour: randomModel(configOf({ channels: 3, levels: 256, condition: { kind: "vector", size: 3 } }), 2),
  "every option, grey": randomModel(
    configOf({ levels: 2, features: 16, skip: 16, depth: 3, firstKernel: 7, ...OPTIONS, perceptron: 24 }),
    9,
  ),
  "every option, colour": randomModel(
    configOf({ channels: 3, levels: 256, ...OPTIONS, condition: { kind: "vector", size: 3 } }),
    10,
  ),
  "plain, grey": randomModel(
    plainConfigOf({
      levels: 2,
      features: 16,
      depth: 4,
      firstKernel: 7,
      dilations: [1, 2, 4],
      head: { kind: "categorical", features: 24 },
    }),
    3,
  ),
  "plain, colour": randomModel(plainConfigOf({ channels: 3, levels: 256 }), 4),
  "row LSTM, grey": randomModel(rowLstmConfigOf({ ...recurrent, levels: 2, depth: 4 }), 5),
  "row LSTM, colour": randomModel(rowLstmConfigOf({ channels: 3, levels: 256, kernel: 5 }), 6),
  "diagonal BiLSTM, grey": randomModel(diagonalBilstmConfigOf({ ...recurrent, levels: 2 }), 7),
  "diagonal BiLSTM, colour": randomModel(diagonalBilstmConfigOf({ channels: 3, levels: 256 }), 8),
  "mixture, grey": randomModel(configOf({ levels: 16, firstKernel: 7, head: mixtureOf(5) }), 9),
  "mixture, colour": randomModel(configOf({ channels: 3, levels: 256, head: mixtureOf(2) }), 10),
  "plain, mixture, colour": randomModel(plainConfigOf({ channels: 3, levels: 9, head: mixtureOf(3) }), 11),
  "row LSTM, mixture, grey": randomModel(rowLstmConfigOf({ levels: 255, head: mixtureOf(3) }), 12),
  "diagonal BiLSTM, mixture, colour": randomModel(
    diagonalBilstmConfigOf({ channels: 3, levels: 5, head: mixtureOf(4) }),
    13,
  ),
};

export async function hashes(options: EngineOptions = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [name, model] of Object.entries(models)) {
    const engine = createEngine(model, options);
    const conditions = model.config.condition === null ? undefined : Array.from({ length: 64 }, (_, i) => i % 3);
    const { pixels } = await engine.sample({ count: 64, height: 7, width: 9, seed: 1, conditions });
    found[`${name}: 64 samples of seed 1`] = await sha256(pixels.slice());

    const images = { height: 7, width: 9, pixels: randomPixels(model.config, 8, 7, 9) };
    const tables = await tablesOf(engine, images, { ...options, conditions });
    found[`${name}: tables of 8 images`] = await sha256(new Uint8Array(tables.buffer));
    await engine.close();
  }
  return found;
}

/**
 * All tables of frequencies of given images, whatever the lock step: in the order image, row, column, channel, each
 * [K + 1].
 */
export async function tablesOf(
  engine: Engine,
  { height, width, pixels }: GivenImages,
  { batch = 64, conditions }: { batch?: number; conditions?: readonly Condition[] | undefined } = {},
): Promise<Uint32Array<ArrayBuffer>> {
  const { channels, levels } = engine;
  const perImage = height * width * channels;
  const count = pixels.length / perImage;
  const size = levels + 1;
  const tables = new Uint32Array(pixels.length * size);
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    await engine.stepwise(
      { count: n, height, width },
      ({ row, column, channel }, cumulative, asked) => {
        const at = (row * width + column) * channels + channel;
        for (let image = 0; image < n; image++) {
          const place = (first + image) * perImage + at;
          tables.set(cumulative.subarray(image * size, (image + 1) * size), place * size);
          asked[image] = pixels[place]!;
        }
      },
      { conditions: conditions?.slice(first, first + n) },
    );
  }
  return tables;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
