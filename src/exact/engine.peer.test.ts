/**
 * The exact engine against log-probabilities from PyTorch in float64 (test/golden/torch_golden.py): an oracle that
 * shares no code with it.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { PixelcnnConfig } from "../models/config.ts";
import { tensor } from "../tensor.ts";
import { createEngine } from "./engine.ts";

interface Numbers {
  readonly shape: number[];
  readonly data: number[];
}

interface Golden {
  readonly config: PixelcnnConfig;
  readonly parameters: Record<string, Numbers>;
  /** [n, H, W, C]. */
  readonly images: Numbers;
  /** [n, D]. */
  readonly condition?: Numbers;
  /** Nats of each image. */
  readonly logProbabilities: number[];
}

test.each([
  ...["two-layer-grey", "two-layer-colour", "two-layer-condition"],
  ...["row-lstm-grey", "row-lstm-colour", "diagonal-bilstm-grey", "diagonal-bilstm-colour"],
])("%s: log-probabilities are PyTorch's", async (name) => {
  const golden = JSON.parse(readFileSync(new URL(`../../test/golden/${name}.json`, import.meta.url), "utf8")) as Golden;
  const parameters = Object.fromEntries(
    Object.entries(golden.parameters).map(([key, { shape, data }]) => [
      key,
      tensor("float32", shape, Float32Array.from(data)),
    ]),
  );
  const engine = createEngine({ config: golden.config, parameters });
  const [count, height, width] = golden.images.shape as [number, number, number];
  const { condition } = golden;
  const conditions =
    condition &&
    Array.from({ length: count }, (_, i) =>
      Float32Array.from(condition.data.slice(i * condition.shape[1]!, (i + 1) * condition.shape[1]!)),
    );
  const bits = await engine.score({
    images: { height, width, pixels: Uint8Array.from(golden.images.data) },
    conditions,
  });
  const perImage = bits.length / count;
  for (const [i, expected] of golden.logProbabilities.entries()) {
    const nats = -Math.LN2 * bits.slice(i * perImage, (i + 1) * perImage).reduce((a, b) => a + b);
    // float32 against float64 over 20 to 60 sub-pixels; the golden numbers have 9 digits.
    expect(Math.abs(nats - expected)).toBeLessThan(1e-4);
  }
});
