/**
 * The loop of all that measures a data set: a graph of a fixed batch over all images, each once, on all lanes of a
 * pool.
 */

import { checkSignal, inLanes, type OnProgress, type Shard, type Share, shareOf } from "../jobs.ts";
import type { Graph } from "../onnx/graph.ts";
import { openPool } from "../onnx/pool.ts";
import { compile, type Device } from "../onnx/session.ts";
import { type Tensor, tensor } from "../tensor.ts";

export interface BatchOptions {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Images a call; the result does not depend on it beyond rounding. */
  readonly batch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** Only the images of a shard: whole calls of those that one process makes, so that every bit is the same. */
export interface ShardOption {
  readonly shard?: Shard | undefined;
}

/** One call of the graph. */
export interface Call {
  /** All inputs but `weights`. */
  readonly inputs: Record<string, Tensor>;
  /** Keeps what came of the first `size` images of the call, which are images `from` and on. */
  take(outputs: Record<string, Tensor>, from: number, size: number): void;
}

/** The calls that a shard makes, of those of `batch` images that `count` images need; default all. */
function callsOf(count: number, batch: number, shard: Shard = { index: 1, of: 1 }): Share {
  return shareOf(new Uint8Array(Math.ceil(count / batch)).fill(1), shard);
}

/** The images that a shard measures. */
export function imagesOfShard(count: number, batch: number, shard?: Shard): Share {
  const { from, to } = callsOf(count, batch, shard);
  return { from: Math.min(count, from * batch), to: Math.min(count, to * batch) };
}

/** Runs `graph`, made for `batch` images and flat `weights`, over images 0 .. count - 1, or a shard's. */
export async function inBatches(
  { graph, weights: flat, batch, count }: { graph: Graph; weights: Float32Array; batch: number; count: number },
  { device, threads, shard, signal, onProgress }: BatchOptions & ShardOption,
  prepare: (indices: number[]) => Promise<Call>,
): Promise<void> {
  const program = compile(graph);
  const calls = callsOf(count, batch, shard);
  if (calls.from === calls.to) return;
  const { from: first, to: last } = imagesOfShard(count, batch, shard);
  // Shared by the threads, where memory can be.
  const Buffer = typeof SharedArrayBuffer === "undefined" ? ArrayBuffer : SharedArrayBuffer;
  const weights = new Float32Array(new Buffer(flat.byteLength));
  weights.set(flat);
  const session = await openPool(program, { device, threads });
  let done = 0;
  try {
    await inLanes(calls.to - calls.from, session.lanes + 1, async (call) => {
      checkSignal(signal);
      const from = (calls.from + call) * batch;
      const size = Math.min(batch, count - from);
      // The last batch is filled up with its own last image, whose results are not read.
      const { inputs, take } = await prepare(Array.from({ length: batch }, (_, i) => from + Math.min(i, size - 1)));
      take(await session.run({ ...inputs, weights: tensor("float32", [flat.length], weights) }), from, size);
      done += size;
      onProgress?.({ done, total: last - first });
    });
  } finally {
    await session.close();
  }
}
