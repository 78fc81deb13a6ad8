/**
 * A model inside an archive: its config, and its weights rounded (rounded-weights.ts). The rounded model is the one
 * that the archive is coded with, so whoever has the file has all that it takes to open it. docs/file-format.md.
 */

import { fail, parseJson } from "../errors.ts";
import type { ExactModel } from "../exact/plan.ts";
import type { PixelcnnConfig } from "../models/config.ts";
import { checkPixelcnn, identityOf, pixelcnnParameters } from "../models/networks.ts";
import { checkParameters, countOf, type ParameterMap, type ParameterSpec } from "../network/parameters.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { canonicalJson, modelDigest } from "./digest.ts";
import { bitsOf, decodeWeights, encodeWeights, WEIGHT_PRECISIONS, type WeightPrecision } from "./rounded-weights.ts";

/** A model as an archive keeps it. */
export interface StoredModel extends ExactModel<PixelcnnConfig> {
  readonly parameters: ParameterMap;
  readonly precision: WeightPrecision;
  /** Training steps behind the weights; undefined where the archive's writer did not know. */
  readonly step: number | undefined;
}

/** A model that is rounded, and the bytes that say it. */
export interface RoundedModel extends StoredModel {
  readonly bytes: Uint8Array;
}

/** What `withModel: true` stands for: its cost is less than a thousandth of the images' bytes (bench/RESULTS.md). */
const USUAL_PRECISION: WeightPrecision = "int8";
/** Most weights that a file is believed to hold: 256 MiB. */
const MOST_WEIGHTS = 2 ** 26;
const LONGEST_CONFIG = 2 ** 20;

/**
 * Rounds the weights of a model, so that an archive can hold it. The result is another model, with another digest; it
 * is read from the very bytes that a reader will have.
 */
export function roundModel(
  { config, parameters }: ExactModel,
  wanted: WeightPrecision | true,
  { step }: { readonly step?: number | undefined } = {},
): RoundedModel {
  const precision = wanted === true ? USUAL_PRECISION : wanted;
  if (!WEIGHT_PRECISIONS.includes(precision))
    fail("usage", `expected ${WEIGHT_PRECISIONS.join(", ")} for the precision of weights but received ${precision}`);
  const checked = checkPixelcnn(config);
  const given = (parameters instanceof Map ? parameters : new Map(Object.entries(parameters))) as ParameterMap;
  checkParameters(pixelcnnParameters(checked), given);
  const text = new TextEncoder().encode(canonicalJson({ config: checked, step }));
  const head = new ByteWriter().byte(bitsOf(precision)).varint(text.length).raw(text);
  const bytes = head.raw(encodeWeights(given, sorted(pixelcnnParameters(checked)), precision)).finish();
  return { ...readStoredModel(bytes), bytes };
}

/** Reads what {@link roundModel} wrote: bytes of an archive that may come from anyone. */
export function readStoredModel(bytes: Uint8Array): StoredModel {
  const precision = precisionIn(bytes);
  const reader = new ByteReader(bytes, 1);
  const length = reader.varint("the length of the config", 2, LONGEST_CONFIG);
  const at = reader.offset;
  const text = reader.text(length, "the config");
  const json = parseJson(text, (cause) => reader.fail(at, "the config", "JSON", cause.message));
  const { config: found, step } = Object(json) as { readonly config?: unknown; readonly step?: unknown };
  if (step !== undefined && !Number.isSafeInteger(step)) reader.fail(at, "the step", "a whole number", String(step));
  const config = asCorrupt(at, () => checkPixelcnn(found));
  const specs = sorted(pixelcnnParameters(config));
  const count = countOf(specs);
  if (!(count <= MOST_WEIGHTS))
    reader.fail(at, "the number of weights", `at most ${MOST_WEIGHTS}`, `${count}, as the config says`);
  const stream = reader.raw(reader.left, "the weights");
  return { config, parameters: decodeWeights(stream, specs, precision), precision, step: step as number | undefined };
}

/** How the weights of a stored model are rounded. */
export function precisionIn(bytes: Uint8Array): WeightPrecision {
  const reader = new ByteReader(bytes);
  const bits = reader.byte("the bits of a weight");
  const found = WEIGHT_PRECISIONS.find((precision) => bitsOf(precision) === bits);
  return found ?? reader.fail(0, "the bits of a weight", WEIGHT_PRECISIONS.map(bitsOf).join(", "), String(bits));
}

/** What a config is refused for is damage here. */
function asCorrupt<T>(at: number, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    return fail("corrupt", `byte ${at}: the config: ${(cause as Error).message}`, cause);
  }
}

/** What an archive that is coded with it names it by. */
export const storedDigest = ({ config, parameters }: StoredModel): Promise<Uint8Array> =>
  modelDigest(identityOf(config), parameters);

/** By their names' code units: no later order of a family's page may move a weight. */
const sorted = (specs: readonly ParameterSpec[]): ParameterSpec[] =>
  [...specs].sort(({ name: a }, { name: b }) => (a < b ? -1 : 1));
