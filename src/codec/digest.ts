/**
 * The identity of a model: SHA-256 of its canonical manifest, a JSON text with sorted keys that holds the config, the
 * name, shape and SHA-256 of every parameter, and the versions of the rules that turn them into integer frequencies.
 * Two models with one digest give the same frequencies; one weight changed in its last bit is another model.
 */

import { fail, show } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { FREQUENCY_VERSION } from "./frequencies.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** JSON with object keys in the order of their code units and no spaces. Keys that hold `undefined` are left out. */
export function canonicalJson(value: unknown, path = "config"): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) fail("model", `expected a finite number for ${path} but received ${show(value)}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item, i) => canonicalJson(item, `${path}[${i}]`)).join(",")}]`;
  if (typeof value !== "object") return fail("model", `expected a JSON value for ${path} but received ${show(value)}`);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const parts = fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field, `${path}.${key}`)}`);
  return `{${parts.join(",")}}`;
}

/** SHA-256 by the platform's WebCrypto: Node, workers, and pages served over https or from localhost. */
export async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined)
    fail("device", "expected crypto.subtle for SHA-256 but found none: serve the page over https or from localhost");
  return new Uint8Array(await subtle.digest("SHA-256", new Uint8Array(bytes)));
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Versions of the exact engine's own rules; a change of any of them changes the frequencies, and so the model. */
export interface EngineVersions {
  /** Its exp, tanh and logistic function. */
  readonly exp?: number;
  /** How a level becomes a float: x = 2 v / (K - 1) - 1 in version 1. */
  readonly levelMap?: number;
}

/** The text whose SHA-256 is the model's digest; `sha256sum` of each parameter's little-endian bytes reproduces it. */
export async function modelManifest(
  config: object,
  parameters: Iterable<readonly [string, Tensor<"float32">]>,
  versions: EngineVersions = {},
): Promise<string> {
  const entries = [...parameters].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const listed = [];
  for (const [name, { shape, data }] of entries) {
    listed.push({ name, shape: [...shape], sha256: hex(await sha256(littleEndianBytes(data))) });
  }
  return canonicalJson({
    config,
    parameters: listed,
    versions: { exp: versions.exp ?? 1, frequencies: FREQUENCY_VERSION, levelMap: versions.levelMap ?? 1, manifest: 1 },
  });
}

/**
 * SHA-256 of {@link modelManifest}: 32 bytes. A `Map` of tensors, or `Object.entries` of a record, fits `parameters`.
 */
export async function modelDigest(
  config: object,
  parameters: Iterable<readonly [string, Tensor<"float32">]>,
  versions: EngineVersions = {},
): Promise<Uint8Array> {
  return sha256(new TextEncoder().encode(await modelManifest(config, parameters, versions)));
}

function littleEndianBytes(data: Float32Array): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) return bytes;
  const swapped = new DataView(new ArrayBuffer(data.byteLength));
  for (let i = 0; i < data.length; i++) swapped.setFloat32(4 * i, data[i]!, true);
  return new Uint8Array(swapped.buffer);
}
