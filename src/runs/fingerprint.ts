/** What a job reads, as a number: SHA-256 of every image with all that is known of it, and of conditions. */

import { createHash } from "node:crypto";
import { hex, modelDigest } from "../codec/digest.ts";
import type { Dataset } from "../data/dataset.ts";
import type { ConditionValue } from "../models/condition.ts";
import type { OpenedModel } from "./open-model.ts";
import type { SourceImage } from "./source-image.ts";

/** Images of a data set that are read at a time. */
const AT_ONCE = 256;

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** Sizes and fingerprint of images, as they are looked at. `paths`: where the files lie matters too. */
export class SourceSurvey {
  readonly sizes: { readonly height: number; readonly width: number }[] = [];
  readonly #hash = createHash("sha256");
  readonly #paths: boolean;

  constructor({ paths }: { readonly paths: boolean }) {
    this.#paths = paths;
  }

  add({ pixels, vector, ...known }: SourceImage): void {
    const { name, bytes, label, height, width, table, exact, className, caption } = known;
    const file = this.#paths ? known.file : undefined;
    const said = [name, file, bytes, label, height, width, exact, className, caption, vector?.length, table];
    this.#hash.update(`${JSON.stringify(said.map((field) => (field === undefined ? "-" : [field])))}\n`);
    this.#hash.update(pixels);
    if (vector) this.#hash.update(bytesOf(vector));
    this.sizes.push({ height, width });
  }

  /** Once, when all were added. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** Of all images of a data set, with labels and vectors; names do not count. */
export async function dataFingerprint(data: Dataset): Promise<string> {
  const { height, width, channels, levels, length, classes, vectorSize } = data;
  const hash = createHash("sha256");
  hash.update(`${JSON.stringify([height, width, channels, levels, length, classes, vectorSize ?? null])}\n`);
  for (let from = 0; from < length; from += AT_ONCE) {
    const indices = Array.from({ length: Math.min(AT_ONCE, length - from) }, (_, i) => from + i);
    const { pixels, labels, vectors } = await data.batch(indices, { epoch: 0 });
    hash.update(pixels).update(bytesOf(labels));
    if (vectors) hash.update(bytesOf(vectors));
  }
  return hash.digest("hex");
}

export function conditionsFingerprint(conditions: readonly (ConditionValue | undefined)[]): string {
  const hash = createHash("sha256");
  for (const value of conditions) {
    if (value === null || value === undefined || typeof value === "number") hash.update(`${value ?? "none"};`);
    else hash.update(`${value.length}:`).update(bytesOf(Float32Array.from(value)));
  }
  return hash.digest("hex");
}

/** A model as all shards must have it: by its name, since results say it, by its run's config and by its weights. */
export async function modelFingerprint({ name, step, run, parameters }: OpenedModel) {
  return { name, step, digest: hex(await modelDigest(run, parameters)) };
}
