/** A mixture of 256 levels: both engines give each sub-pixel the same, and files are as long as the score says. */

import { expect, test } from "vitest";
import { encodeImages } from "../codec/codec.ts";
import { openPxc, readGroup } from "../codec/container.ts";
import { enginePredictor } from "../codec/engine-predictor.ts";
import { openModel, randomModel, configOf as sized } from "../models/random-model.test-support.ts";

test.each([
  ["grey", sized({ levels: 256, head: { kind: "mixture", features: 18, components: 10 } })],
  ["colour", sized({ channels: 3, levels: 256, head: { kind: "mixture", features: 18, components: 5 } })],
])("%s: log p of each sub-pixel is the graph's to 1e-4, and the file is the score", async (_, config) => {
  const { height, width, channels, levels: K } = config;
  const size = height * width * channels;
  const model = randomModel(config, 4);
  const predictor = await enginePredictor(model);
  const count = 24;
  // Half drawn by the model, half given: one level everywhere, the ends of the range among them.
  const drawn = await predictor.engine.sample({ count, height, width, seed: 3 });
  const pixels = drawn.pixels.map((v, i) => {
    const image = Math.floor(i / size);
    return image % 2 === 0 ? v : (image - 1) * 11.6;
  });
  expect(pixels.every((v) => v < K)).toBe(true);
  const bits = await predictor.engine.score({ images: { height, width, pixels } });
  for (const dtype of ["float32", "float64"] as const) {
    const session = await openModel(model, "logits", { dtype, batch: count });
    const logits = await session.run(pixels);
    await session.close();
    for (const [i, level] of pixels.entries()) {
      const logP = logits[i * K + level]!;
      // Every level keeps one part of 2^24, and its interval is rounded at both ends.
      const floor = (K + 2) / 2 ** 24 / Math.exp(logP);
      expect(Math.abs(-bits[i]! * Math.LN2 - logP) - floor, `${dtype} ${i} ${logP}`).toBeLessThan(1e-4);
    }
  }
  const images = Array.from({ length: count }, (_, i) => ({
    height,
    width,
    pixels: pixels.slice(i * size, (i + 1) * size),
  })).filter((_, i) => i % 2 === 0);
  const own = bits.filter((_, i) => Math.floor(i / size) % 2 === 0).reduce((a, b) => a + b, 0);
  const file = openPxc(await encodeImages(predictor, images));
  if (file.kind !== "archive") throw new Error("expected an archive");
  const payload = 8 * readGroup(file, 0).payload.length;
  expect(Math.abs(payload - own)).toBeLessThanOrEqual(2e-5 * own + 4 * images.length);
  await predictor.close();
});
