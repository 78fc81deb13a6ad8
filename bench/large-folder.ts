/**
 * How long a large folder takes: its listing, the first opening, the first batch, a second opening from what the first
 * found out, and how much memory.
 *   node bench/large-folder.ts [--images 100000] [--side 16]
 * The images are made in a temporary folder, ten classes of colour noise, and removed afterwards.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encode } from "fast-png";
import { listImages } from "../src/data/listing.ts";
import { openData } from "../src/data/open.ts";

const { values } = parseArgs({
  options: { images: { type: "string", default: "100000" }, side: { type: "string", default: "16" } },
});
const [images, side] = [Number(values.images), Number(values.side)];
const root = mkdtempSync(join(tmpdir(), "pixelcnn-large-"));
process.env.PIXELCNN_CACHE = join(root, "cache");
const folder = join(root, "images");

const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  const started = performance.now();
  const result = await work();
  const memory = Math.round(process.memoryUsage().rss / 2 ** 20);
  process.stdout.write(`${what.padEnd(36)} ${Math.round(performance.now() - started)} ms, ${memory} MiB in all\n`);
  return result;
};

try {
  for (let i = 0; i < images; i++) {
    const place = join(folder, `class-${i % 10}`);
    if (i < 10) mkdirSync(place, { recursive: true });
    const data = new Uint8Array(side * side * 3).map((_, p) => (p * 7 + i) & 255);
    writeFileSync(join(place, `${i}.png`), encode({ height: side, width: side, channels: 3, depth: 8, data }));
  }
  await timed("listing", () => listImages(folder));
  const first = await timed("first opening", () => openData(folder));
  await timed("first batch of 16", () => first.batch(Array.from({ length: 16 }, (_, i) => i * 31)));
  const second = await timed("second opening", () => openData(folder));
  await timed("first batch of 16", () => second.batch(Array.from({ length: 16 }, (_, i) => i * 31)));
  await timed("6,400 images in batches of 64", async () => {
    for (let i = 0; i < 100; i++)
      await second.batch(Array.from({ length: 64 }, (_, k) => (i * 64 + k) % second.length));
  });
} finally {
  rmSync(root, { recursive: true, force: true });
}
