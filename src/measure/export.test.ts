import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as runtime from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { datasetFromArrays } from "../data/dataset.ts";
import { pixelcnnParameters } from "../models/networks.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import type { ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { sizeOf } from "../tensor.ts";
import { EXPORT_KINDS, exportOnnx } from "./export.ts";
import { likelihood } from "./likelihood.ts";

const PYTHON = "/usr/bin/python3";
const hasChecker = spawnSync(PYTHON, ["-c", "import onnx"]).status === 0;
const folder = mkdtempSync(join(tmpdir(), "pixelcnn-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const mixture = { kind: "mixture", features: 6, components: 2 } as const;

describe.each([
  { name: "grey, with skips", height: 5, width: 7, channels: 1, levels: 5, skip: 6 },
  { name: "colour, with skips", height: 5, width: 7, channels: 3, levels: 4, skip: 6 },
  { name: "colour, without skips", height: 4, width: 3, channels: 3, levels: 2, skip: 0 },
  { name: "one pixel", height: 1, width: 1, channels: 3, levels: 3, skip: 6 },
  { name: "grey, a mixture", height: 5, width: 7, channels: 1, levels: 5, skip: 6, head: mixture },
  { name: "colour, a mixture", height: 4, width: 3, channels: 3, levels: 4, skip: 6, head: mixture },
])("an exported model ($name)", ({ name, head = { features: 6 }, ...size }) => {
  const model = resolvePixelcnn({
    ...size,
    features: 6,
    depth: 3,
    firstKernel: 5,
    dilations: [1, 2],
    head,
  });
  const random = randomFrom(11);
  const parameters: ParameterMap = new Map(
    pixelcnnParameters(model).map((spec) => [
      spec.name,
      {
        dtype: "float32",
        shape: spec.shape,
        data: Float32Array.from({ length: sizeOf(spec.shape) }, () => random.uniform() - 0.5),
      },
    ]),
  );
  const { height, width, channels, levels } = model;
  const perImage = height * width * channels;

  test.runIf(levels < 256)("has no number for an image with a value that is no level", async () => {
    const pixels = Uint8Array.from({ length: 3 * perImage }, () => random.below(levels));
    pixels[perImage] = 200;
    const input = { pixels: new runtime.Tensor("uint8", pixels, [3, height, width, channels]) };
    for (const what of EXPORT_KINDS) {
      const file = exportOnnx({ config: model, parameters }, { what });
      const { logProbability, logits } = await (await runtime.InferenceSession.create(file)).run(input);
      const values = [...((logProbability ?? logits)!.data as Float32Array)];
      const each = values.length / 3;
      const nans = [0, 1, 2].map((i) => values.slice(i * each, (i + 1) * each).map(Number.isNaN));
      expect(nans.map((image) => [image.some(Boolean), image.every(Boolean)])).toEqual([
        [false, false],
        [true, true],
        [false, false],
      ]);
    }
  });

  test.each([1, 3, 7])("gives a batch of %i the likelihood that the library gives it", async (count) => {
    const pixels = Uint8Array.from({ length: count * perImage }, () => random.below(levels));
    const parts = { name: "random", split: "all", height, width, channels, levels, classes: null };
    const { each } = await likelihood({ config: model, parameters }, datasetFromArrays(parts, pixels), { threads: 1 });
    const input = { pixels: new runtime.Tensor("uint8", pixels, [count, height, width, channels]) };
    const found = await (await runtime.InferenceSession.create(exportOnnx({ config: model, parameters }))).run(input);
    expect(found.logProbability!.dims).toEqual([count]);
    // The same float32 operators in other shapes of product.
    for (let i = 0; i < count; i++) expect(found.logProbability!.data[i]).toBeCloseTo(-each[i]!, 3);

    const session = await runtime.InferenceSession.create(
      exportOnnx({ config: model, parameters }, { what: "logits" }),
    );
    const { logits } = await session.run(input);
    expect(logits!.dims).toEqual([count, height, width, channels, levels]);
    const values = logits!.data as Float32Array;
    for (let i = 0; i < count; i++) {
      let sum = 0;
      for (let p = i * perImage; p < (i + 1) * perImage; p++) {
        const row = values.subarray(p * levels, (p + 1) * levels);
        sum += row[pixels[p]!]! - Math.log(row.reduce((a, x) => a + Math.exp(x), 0));
      }
      expect(sum).toBeCloseTo(-each[i]!, 3);
    }
  });

  test.skipIf(!hasChecker)(
    `passes Python's onnx.checker in full, its batch free${hasChecker ? "" : " (skipped: no python3-onnx)"}`,
    () => {
      const script =
        "import onnx, sys\nfor f in sys.argv[1:]:\n  m = onnx.load(f)\n  onnx.checker.check_model(m, " +
        "full_check=True)\n" +
        "  dims = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in list(m.graph.input) " +
        "+ list(m.graph.output)]\n" +
        "  print(dims, [p.key for p in m.metadata_props])";
      const files = EXPORT_KINDS.map((what) => join(folder, `${name.replaceAll(/\W+/g, "-")}-${what}.onnx`));
      for (const [i, what] of EXPORT_KINDS.entries())
        writeFileSync(files[i]!, exportOnnx({ config: model, parameters }, { what }));
      const { stdout, stderr, status } = spawnSync(PYTHON, ["-c", script, ...files], {
        encoding: "utf8",
        timeout: 60_000,
      });
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const input = `['N', ${height}, ${width}, ${channels}]`;
      expect(stdout).toBe(
        `[${input}, ['N']] ['pixelcnn.config']\n[${input}, ['N', ${height}, ${width}, ${channels}, ${levels}]] ` +
          "['pixelcnn.config']\n",
      );
    },
  );
});
