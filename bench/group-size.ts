/**
 * What larger groups cost: bytes, and seconds by the clock and of the processor, to encode and to decode the first test
 * images of the model's own data, on one and on two threads, two rounds by turns.
 *   node bench/group-size.ts <model> <images> <group size, 0: the usual one> ...
 */

import { decodeArchive, encodeImages } from "../src/codec/codec.ts";
import { openGroupThreads } from "../src/codec/group-threads.ts";
import { openData } from "../src/data/open.ts";
import { openCodingModel } from "../src/runs/archive-model.ts";

const [name, count, ...sizes] = process.argv.slice(2);
if (!name || !count || sizes.length === 0) throw new Error("expected <model> <images> <group size> ...");
const model = await openCodingModel(name, 1);
const { predictor } = model;
const { source, ...options } = model.run.data;
const data = await openData(source, { ...options, split: "test", limit: Number(count) });
const { height, width, pixels } = await data.images(Array.from({ length: data.length }, (_, i) => i));
const each = pixels.length / data.length;
const images = Array.from({ length: data.length }, (_, i) => {
  return { height, width, pixels: pixels.subarray(i * each, (i + 1) * each) };
});

/** What it took: by the clock, and of all threads together. */
async function timed<T>(work: () => Promise<T>): Promise<[T, string]> {
  const started = performance.now();
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, `${((performance.now() - started) / 1000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)})`];
}

for (const round of [1, 2])
  for (const count of [1, 2]) {
    const threads = count > 1 ? openGroupThreads(model, predictor, { count }) : undefined;
    for (const size of sizes) {
      const groupSize = Number(size) || undefined;
      const [archive, encoding] = await timed(() => encodeImages(predictor, images, { threads, groupSize }));
      const [, decoding] = await timed(() => decodeArchive(predictor, archive, { threads }));
      const memory = `${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`;
      const what = `round ${round}, threads ${count}, group ${groupSize ?? "usual"}`;
      console.log(`${what}: ${archive.length} bytes; encode ${encoding}, decode ${decoding}; ${memory}`);
    }
    await threads?.close();
  }
await model.close();
process.exit(0);
