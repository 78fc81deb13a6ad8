/** A program in Node: must type-check without a page's types. */

import { readFileSync } from "node:fs";
import {
  compress,
  createEngine,
  createRun,
  likelihood,
  openData,
  openSplits,
  type RunEvent,
  trainModel,
  trainRun,
} from "pixelcnn/node";

const { train: images, test } = await openSplits("photos/", { height: 32, width: 32 });
const model = await trainModel({ data: images, preset: "folder", minutes: 10 });
const engine = createEngine(model, { threads: 2 });
const pictures = await engine.sample({ count: 16 });
const filled = await engine.complete({ images: await test.images([0]), rows: 16 });
const { nats } = await likelihood(model, test);
const archive: Uint8Array = await compress(model, await test.images([0, 1, 2]));
const tell = (event: RunEvent): void => console.log(event.type);

export const shown: readonly unknown[] = [
  pictures,
  filled,
  nats,
  archive,
  tell,
  readFileSync,
  openData,
  createRun,
  trainRun,
];
