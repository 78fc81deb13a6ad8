/**
 * What goes through the store while a run trains over a queue. Once a run: its order, which says what a worker needs
 * to draw the same batches. Once a step: the weights. A task is two numbers, the step and the shard: whose images these
 * are follows from the seed of the run, so no pixel goes through the store. Back come a loss and a gradient.
 */

import { fail, parseJson } from "../errors.ts";
import { type RunConfig, resolveRun } from "../train/config.ts";

export interface TrainingOrder {
  /** Of the package that trains. */
  readonly version: string;
  readonly config: RunConfig;
  /** Of the run; absolute. */
  readonly folder: string;
  /** Images a shard. */
  readonly shard: number;
  /** Fingerprint of the images that are trained on, with their conditions. */
  readonly data: string;
}

/** A shard of the batch of a step; both from 0. */
export interface Task {
  readonly step: number;
  readonly shard: number;
}

export interface GivenTask extends Task {
  /** There are enough for all: a worker may take one more than it works on, so that the way of the next is no wait. */
  readonly ahead: boolean;
}

export type FromWorker =
  /** It opens the data and the model, and then joins or refuses. */
  | { readonly type: "opens"; readonly worker: string }
  | { readonly type: "joined"; readonly worker: string; readonly lanes: number }
  | { readonly type: "refused"; readonly worker: string; readonly reason: string }
  | { readonly type: "left"; readonly worker: string }
  | ({ readonly type: "taken"; readonly worker: string } & Task)
  /** The weights were gone: the step is over, or the store has lost them. */
  | ({ readonly type: "missed"; readonly worker: string } & Task)
  | ({ readonly type: "failed"; readonly worker: string; readonly reason: string } & Task)
  | ({ readonly type: "sums"; readonly worker: string; readonly loss: number } & Task);

/** Where the store keeps what. `name`: the queue's. */
export const runsKey = (name: string): string => `pixelcnn-train:${name}:runs`;
export const workerKey = (name: string, worker: string): string => `pixelcnn-train:${name}:worker:${worker}`;

export interface RunKeys {
  readonly order: string;
  /** The weights before the step that its head names. */
  readonly weights: string;
  readonly tasks: string;
  /** What workers say. */
  readonly said: string;
}

export function runKeys(name: string, run: string): RunKeys {
  const key = (what: string): string => `pixelcnn-train:${name}:${run}:${what}`;
  return { order: key("order"), weights: key("weights"), tasks: key("tasks"), said: key("said") };
}

/** Seconds that the store keeps a run's order and its tasks when nobody is heard of; weights and gradients longer. */
export const ORDER_KEPT = 60;
export const NUMBERS_KEPT = 600;

/** A line of JSON, and numbers as the machine holds them (little-endian wherever Node runs in practice). */
export function pack(head: object, numbers?: Float32Array): Buffer {
  const line = Buffer.from(`${JSON.stringify(head)}\n`);
  if (!numbers) return line;
  return Buffer.concat([line, Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)]);
}

/** What {@link pack} made; null of other bytes. `into` makes the memory for the numbers. */
export function unpack(
  bytes: Buffer,
  into: (byteLength: number) => ArrayBufferLike = (byteLength) => new ArrayBuffer(byteLength),
): { readonly head: Record<string, unknown>; readonly numbers: Float32Array } | null {
  const end = bytes.indexOf(0x0a);
  const head = parseJson(bytes.toString("utf8", 0, Math.max(0, end)), () => null);
  const size = bytes.length - end - 1;
  if (typeof head !== "object" || head === null || size % 4 !== 0) return null;
  const memory = new Uint8Array(into(size));
  memory.set(bytes.subarray(end + 1));
  return { head: head as Record<string, unknown>, numbers: new Float32Array(memory.buffer) };
}

/** A task as such; null of something else. */
export function readTask(text: string): GivenTask | null {
  const { step, shard, ahead } = Object(parseJson(text, () => null)) as GivenTask;
  const isOne = Number.isSafeInteger(step) && Number.isSafeInteger(shard) && step >= 0 && shard >= 0;
  return isOne ? { step, shard, ahead: ahead === true } : null;
}

/** The order as such, or an error that says what is wrong. `version`: of this package. */
export function readTrainingOrder(text: string, version: string): TrainingOrder {
  const order = Object(parseJson(text, () => null)) as TrainingOrder;
  const wrong = (field: string): never => fail("data", `expected a run of pixelcnn but its ${field} is another thing`);
  const isText = (value: unknown): boolean => typeof value === "string" && !value.includes("\0");
  if (!isText(order.version)) wrong("version");
  // Before the config, in which another version may have other fields.
  if (order.version !== version)
    fail(
      "usage",
      `this worker is pixelcnn ${version} but the run is of pixelcnn ${order.version}: start workers of the leader's ` +
        "version",
    );
  if (!isText(order.folder)) wrong("folder");
  if (!isText(order.data)) wrong("fingerprint");
  const config = resolveRun(order.config as object) as RunConfig;
  if (!Number.isSafeInteger(order.shard) || order.shard < 1 || config.train.batch % order.shard !== 0) wrong("shard");
  return { version, config, folder: order.folder, shard: order.shard, data: order.data };
}
