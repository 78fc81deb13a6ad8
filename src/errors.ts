/**
 * The one error class of the house. Every message says what was expected, for which name, what was received, and where.
 * `kind` tells a program what a person reads in the words; the command line turns it into an exit code.
 */

export type ErrorKind =
  /** Wrong words: an unknown option, preset, key, class or device. Exit code 2. */
  | "usage"
  /** A file that cannot be read, written or found; a full disk. */
  | "io"
  /** A data set, image or label that is not what it says it is. */
  | "data"
  /** A model, config or checkpoint that does not fit. */
  | "model"
  /** A device (CPU, WebGPU, CUDA) that is absent or failed. */
  | "device"
  /** A training run that diverged. */
  | "diverged"
  /** An archive that is damaged, truncated, or of another model or version. */
  | "corrupt"
  /** Stopped on request. Exit code 130. */
  | "interrupted"
  /** A mistake in this library. */
  | "internal";

export class PixelcnnError extends Error {
  readonly kind: ErrorKind;

  constructor(kind: ErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "PixelcnnError";
    this.kind = kind;
  }
}

/** Throws a {@link PixelcnnError}; typed `never` so that it ends a branch. */
export function fail(kind: ErrorKind, message: string, cause?: unknown): never {
  throw new PixelcnnError(kind, message, cause === undefined ? undefined : { cause });
}

/** The error of what was stopped by an AbortSignal. */
export const interrupted = (signal: AbortSignal): PixelcnnError =>
  new PixelcnnError("interrupted", "stopped on request", { cause: signal.reason });

/** Short text of a received value, for the "received" half of a message. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined || typeof value === "number" || typeof value === "boolean" || value === null)
    return String(value);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(show).join(", ")}${value.length > 8 ? ", ..." : ""}]`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength} bytes)`;
  return typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
}

/** The value of JSON text; `otherwise` says what comes of text that is none. */
export function parseJson(text: string, otherwise: (error: Error) => unknown): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    return otherwise(error as Error);
  }
}

/** Throws unless `value` is an integer in `min..max`, both included. */
export function checkInteger(name: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
  return fail("usage", `expected ${range} for ${name} but received ${show(value)}`);
}
