/**
 * Vectors from a .npy file of [N, D] or [N, h, w, c] numbers for any source: row i belongs to image i of the whole
 * source, in the order of its split "all". For a source with train and test images of its own that is the train images,
 * then the test images.
 */

import { fail } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { readRegular } from "./files.ts";
import { readNpy } from "./npy.ts";
import type { Source } from "./source.ts";
import { withVectors } from "./with-vectors.ts";

export interface VectorRows {
  readonly path: string;
  readonly rows: number;
  /** Numbers per row. */
  readonly size: number;
  /** [rows, size] */
  readonly numbers: Float32Array;
}

export async function readVectorRows(path: string): Promise<VectorRows> {
  const { shape, data } = readNpy(await readRegular(path), path);
  const [rows = 0, ...axes] = shape;
  const size = axes.reduce((a, b) => a * b, 1);
  if ((shape.length !== 2 && shape.length !== 4) || rows === 0 || size === 0)
    fail("data", `expected [N, D] numbers, or [N, h, w, c] for maps, in ${path} but received [${shape.join(", ")}]`);
  const numbers = data instanceof Float32Array ? data : Float32Array.from(data as ArrayLike<number | bigint>, Number);
  const wrong = numbers.findIndex((v) => !Number.isFinite(v));
  if (wrong >= 0)
    fail("data", `expected finite numbers in ${path} but received ${data[wrong]} in row ${Math.floor(wrong / size)}`);
  return { path, rows, size, numbers };
}

/** The same source, whose images have their rows. */
export function withVectorRows(name: string, source: Source, vectors: VectorRows): Source {
  const attach = (dataset: Dataset, first: number): Dataset =>
    withVectors(
      dataset,
      vectors.numbers.subarray(first * vectors.size, (first + dataset.length) * vectors.size),
      vectors.size,
    );
  const check = (length: number, parts: string): void => {
    if (vectors.rows !== length)
      fail(
        "data",
        `expected ${length} rows in ${vectors.path}, one for each image of ${name}${parts}, but received ` +
          `${vectors.rows}`,
      );
  };
  if (source.kind === "whole") {
    const open = async (): Promise<Dataset> => {
      const whole = await source.open();
      check(whole.length, "");
      return attach(whole, 0);
    };
    return { ...source, open };
  }
  // Only both lengths say whether the rows fit, so both are opened, once.
  let opened: Promise<{ train: Dataset; test: Dataset }> | undefined;
  const used = new Set<string>();
  const part = (split: "train" | "test", other: "train" | "test") => async (): Promise<Dataset> => {
    used.add(split);
    opened ??= openBoth(source);
    const both = await opened;
    const { train, test } = both;
    check(train.length + test.length, ` (${train.length} of train, then ${test.length} of test)`);
    const dataset = attach(both[split], split === "train" ? 0 : train.length);
    const close = async (): Promise<void> => {
      await dataset.close?.();
      if (!used.has(other)) await both[other].close?.();
    };
    return { ...dataset, close };
  };
  return { kind: "divided", train: part("train", "test"), test: part("test", "train") };
}

async function openBoth(source: Source & { kind: "divided" }): Promise<{ train: Dataset; test: Dataset }> {
  const train = await source.train();
  try {
    return { train, test: await source.test() };
  } catch (error) {
    await train.close?.();
    throw error;
  }
}
