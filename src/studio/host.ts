/**
 * What the studio computes, in a worker of its own: the page's thread only draws. One model is open at a time; a call
 * that is under way ends with "interrupted" when `stop` is called or another model is opened.
 */

import { expose, transfer } from "comlink";
import { datasetFromArrays } from "../data/dataset.ts";
import type { Picture } from "../data/picture.ts";
import { fail } from "../errors.ts";
import { createEngine, type Engine } from "../exact/engine.ts";
import { checkSignal } from "../jobs.ts";
import { codesKind, familyName, modelParameters } from "../models/families.ts";
import { countOf } from "../network/parameters.ts";
import type { ModelFiles } from "../runs/model-files.ts";
import { type OpenedPixelcnn, openPixelcnn } from "../runs/open-model.ts";
import { shippedModels } from "../runs/shipped-models.ts";
import { type Dropped, packFiles, unpackFile } from "./archives.ts";
import { guarded } from "./guarded.ts";
import { type Reach, reachOfFamilies } from "./reach.ts";

/** What the page knows of a model. */
export interface ModelInfo {
  readonly name: string;
  readonly family: string;
  readonly step: number;
  readonly parameters: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly levels: number;
  readonly condition: "class" | "vector" | "map" | null;
  readonly classes: readonly string[];
  /** Numbers of a condition. */
  readonly conditionSize: number;
  /** Whether images have latents in this model. */
  readonly latents: boolean;
  /** Whether its condition is made of texts. */
  readonly text: boolean;
}

export type Condition = number | Float32Array;

export interface Draw {
  readonly count: number;
  readonly seed: number;
  readonly temperature: number;
  readonly guidance: number;
  /** A class or a vector for all images, or a vector for each; null for none. */
  readonly condition: Condition | readonly Float32Array[] | null;
  /** Of a completion: one image's levels [H, W, C], and 1 where a pixel is given [H, W]. */
  readonly given?: { readonly pixels: Uint8Array; readonly mask: Uint8Array } | undefined;
}

/** One row of `count` images, from image `first` on; levels [count, W, C]. */
export type OnRow = (first: number, count: number, row: number, levels: Uint8Array) => void;

/** Bytes of all images in the files of other formats. */
export interface PeerSizes {
  readonly png: number;
  readonly webp: number;
  readonly jxl: number;
}

/** What the model expects of one image, before it sees each sub-pixel. */
export interface Look {
  /** Bits of each sub-pixel, [H, W, C]. */
  readonly bits: Float64Array;
  /** Probability of each level at each sub-pixel, [H, W, C, K]. */
  readonly probabilities: Float32Array;
}

let model: OpenedPixelcnn | null = null;
let engine: Engine | null = null;
let lastPacked: readonly Picture[] = [];
let stopper = new AbortController();

const current = (): { model: OpenedPixelcnn; engine: Engine } =>
  model && engine ? { model, engine } : fail("usage", "expected an open model but there is none");

/** Starts a job of its own: whatever else was under way is stopped. */
function begin(): AbortSignal {
  stopper.abort();
  stopper = new AbortController();
  return stopper.signal;
}

const threads = Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1));

const host = {
  names: (): string[] => shippedModels(),

  /** A shipped model's name, a URL, or the files of a model's folder. */
  async open(source: string | ModelFiles): Promise<ModelInfo> {
    begin();
    const opened = await openPixelcnn(source);
    await engine?.close();
    model = opened;
    engine = createEngine(opened, { threads });
    const { config, whole, name, step } = opened;
    const { condition, height, width, channels, levels } = config;
    return {
      name,
      family: familyName(whole.config),
      step,
      parameters: countOf(modelParameters(whole.config)),
      height,
      width,
      channels,
      levels,
      condition: condition?.kind ?? null,
      classes: condition?.kind === "class" ? condition.classes : [],
      conditionSize: engine.conditionSize,
      latents: codesKind(whole.config) === "latents",
      text: opened.run.condition?.from === "captions",
    };
  },

  /** Draws or completes images, row by row. */
  async draw({ count, seed, temperature, guidance, condition, given }: Draw, onRow: OnRow): Promise<Uint8Array> {
    const { model, engine } = current();
    const { height, width } = model.config;
    const signal = begin();
    const conditions = condition as number | Float32Array | Float32Array[] | null;
    const how = {
      seed,
      temperature,
      ...(conditions === null ? {} : { conditions, guidance }),
      signal,
      onRow: ({ first, count: of, row, levels }: { first: number; count: number; row: number; levels: Uint8Array }) =>
        onRow(first, of, row, levels),
    };
    if (!given) return (await engine.sample({ count, height, width, ...how })).pixels;
    const pixels = new Uint8Array(count * given.pixels.length);
    for (let i = 0; i < count; i++) pixels.set(given.pixels, i * given.pixels.length);
    return (await engine.complete({ images: { height, width, pixels }, mask: given.mask, ...how })).pixels;
  },

  /** Bits and distributions of one image. */
  async look(pixels: Uint8Array, condition: Condition | null): Promise<Look> {
    const { model, engine } = current();
    const { height, width, channels, levels } = model.config;
    const signal = begin();
    const bits = new Float64Array(pixels.length);
    const probabilities = new Float32Array(pixels.length * levels);
    await engine.stepwise(
      { count: 1, height, width },
      ({ row, column, channel }, cumulative, out) => {
        const at = (row * width + column) * channels + channel;
        for (let v = 0; v < levels; v++)
          probabilities[at * levels + v] = (cumulative[v + 1]! - cumulative[v]!) / 2 ** 24;
        out[0] = pixels[at]!;
        bits[at] = -Math.log2(probabilities[at * levels + pixels[at]!]!);
      },
      { conditions: condition, signal },
    );
    return transfer({ bits, probabilities }, [bits.buffer, probabilities.buffer]);
  },

  /** The latents of images [N, H, W, C]; the training runtime is loaded for it. */
  async latents(pixels: Uint8Array): Promise<Float32Array[]> {
    const { whole, config } = current().model;
    const { encode } = await import("../measure/encode.ts");
    const { height, width, channels, levels } = config;
    const about = { name: "your images", split: "all", height, width, channels, levels, classes: null };
    const data = datasetFromArrays(about, pixels);
    const codes = await encode(whole, data);
    const size = codes.length / data.length;
    return Array.from({ length: data.length }, (_, i) => codes.slice(i * size, (i + 1) * size));
  },

  /** Files of images to one archive; those that cannot be coded without loss are named, with the reason. */
  async pack(files: readonly Dropped[], lossy: boolean, onProgress: (done: number, total: number) => void) {
    const { model } = current();
    const { packed, pictures } = await packFiles(model, files, { lossy, signal: begin(), onProgress });
    lastPacked = pictures;
    return transfer(packed, packed.archive ? [packed.archive.buffer] : []);
  },

  /** Bytes of the images that were packed last as PNG, WebP and JPEG XL files, in all. */
  async peers(onProgress: (done: number, total: number) => void): Promise<PeerSizes> {
    const signal = begin();
    const { openPeers } = await import("./peer-sizes.ts");
    const encode = await openPeers();
    const sizes = { png: 0, webp: 0, jxl: 0 };
    for (const [i, picture] of lastPacked.entries()) {
      const { png, webp, jxl } = encode(picture);
      sizes.png += png.length;
      sizes.webp += webp.length;
      sizes.jxl += jxl.length;
      onProgress(i + 1, lastPacked.length);
      // A turn of the worker's loop, in which `stop` is heard.
      await new Promise((resolve) => setTimeout(resolve));
      checkSignal(signal);
    }
    return sizes;
  },

  /** The images of an archive of this model. */
  async unpack(bytes: Uint8Array, onProgress: (done: number, total: number) => void) {
    return unpackFile(current().model, bytes, { signal: begin(), onProgress });
  },

  /** What each family sees from one pixel. */
  reach: (place: { readonly row: number; readonly column: number }): Promise<Reach[]> => reachOfFamilies(place),

  stop(): void {
    begin();
  },
};

export type Host = typeof host;

expose(guarded(host));
