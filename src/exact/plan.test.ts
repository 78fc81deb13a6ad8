/** A model that does not fit is refused with the parameter's name; a fitting one is packed without loss. */

import { describe, expect, test } from "vitest";
import { pixelcnnParameters } from "../models/networks.ts";
import { bias, buildNetwork, condition, embed, here, plus } from "../network/steps.ts";
import { tensor } from "../tensor.ts";
import { checkTerms } from "./check-terms.ts";
import { createEngine } from "./engine.ts";
import { layOut } from "./layout.ts";
import { configOf, randomModel } from "./naive.test-support.ts";
import { createPlan } from "./plan.ts";

test("parameters have the names and shapes of docs/model.md", () => {
  const config = configOf({
    channels: 3,
    levels: 5,
    features: 12,
    depth: 2,
    firstKernel: 7,
    skip: 6,
    head: { kind: "categorical", features: 9 },
    condition: { kind: "vector", size: 4 },
  });
  const shapes = Object.fromEntries(pixelcnnParameters(config).map(({ name, shape }) => [name, shape.join(" ")]));
  expect(shapes).toMatchObject({
    "layer1.vertical.W_f": "4 7 3 12",
    "layer2.vertical.W_g": "2 3 12 12",
    "layer1.vertical.b_f": "12",
    "layer1.vertical.V_g": "4 12",
    "layer1.horizontal.W_f": "3 3 12",
    "layer2.horizontal.W_f": "1 12 12",
    "layer2.link.W_g": "24 12",
    "layer1.centre1.W_f": "1 4",
    "layer2.centre0.W_f": "4 4",
    "layer2.centre2.W_g": "12 4",
    "layer1.residual1.W": "8 4",
    "layer1.residual.b": "12",
    "layer2.skip2.W": "12 2",
    "skip.b": "6",
    "head.hidden1.W": "4 3",
    "head.hidden.b": "9",
    "head.logits2.W": "9 5",
    "head.logits.b": "3 5",
  });
  expect(Object.keys(shapes)).not.toContain("layer1.centre0.W_f"); // mask A: channel 0 sees nothing of its own pixel
  expect(Object.keys(shapes).filter((name) => name.startsWith("layer2.residual"))).toEqual([]); // nothing would read it
  expect(pixelcnnParameters({ ...config, skip: 0 }).map(({ name }) => name)).toContain("layer2.residual.b");
});

test("a record and a map of parameters are the same model", async () => {
  const model = randomModel(configOf());
  const record = { config: model.config, parameters: Object.fromEntries(model.parameters) };
  expect(createPlan(record).data).toEqual(createPlan(model).data);
});

test.each([
  [
    "a missing parameter",
    (p) => p.delete("layer2.link.W_f"),
    "expected a parameter layer2.link.W_f of shape [12,6] but the model has none",
  ],
  [
    "a surplus parameter",
    (p) => p.set("layer9.link.W_f", p.get("skip.b")!),
    'expected no parameter "layer9.link.W_f": a model of this config has none of that name',
  ],
  [
    "a wrong shape",
    (p) => p.set("skip.b", tensor("float32", [2, 3], new Float32Array(6))),
    "expected shape [6] for parameter skip.b but received [2,3]",
  ],
  [
    "a wrong type",
    (p) => p.set("skip.b", tensor("float64", [6], new Float64Array(6))),
    "expected float32 numbers for parameter skip.b but received float64",
  ],
  [
    "a NaN",
    (p) => p.get("skip.b")!.data.fill(NaN as never, 2, 3),
    "expected finite numbers for parameter skip.b but received NaN at 2",
  ],
] as [string, (parameters: ReturnType<typeof randomModel>["parameters"]) => void, string][])(
  "%s is refused",
  (_, spoil, message) => {
    const model = randomModel(configOf());
    spoil(model.parameters);
    expect(() => createPlan(model)).toThrow(message);
  },
);

test.each([
  [{ levels: 257 }, "expected an integer from 2 to 256 for levels but received 257"],
  [{ kernels: [4] }, "expected odd kernel sizes of at least 3 for kernels but received [4]"],
  [{ dilations: [] }, "expected at least one number for dilations but received []"],
  [{ channels: 4 }, "expected a multiple of channels (4) for features but received 6"],
  [
    { head: { kind: "logistic-mixture", features: 6 } },
    'expected "categorical" or "mixture" for head.kind but received "logistic-mixture"',
  ],
  [
    { condition: { kind: "text", size: 3 } },
    'expected "class" or "vector" or "map" or none for condition but received "text"',
  ],
  [
    { condition: { kind: "class", classes: ["one"] } },
    'expected the names of at least 2 classes for condition.classes but received ["one"]',
  ],
  [
    { condition: { kind: "map", height: 0, width: 1, channels: 1, features: 4 } },
    "expected an integer from 1 to 4096 for condition.height but received 0",
  ],
  [
    { condition: { kind: "map", height: 2, width: 1, channels: 1, features: 4 } },
    "expected the image's height and width beside a condition that goes through m(h) but received undefined and " +
      "undefined",
  ],
])("a config with %o is refused", (changes, message) => {
  expect(() => createPlan({ config: configOf(changes), parameters: {} })).toThrow(message);
});

describe("a sum that the graph computes and the exact engine does not is refused, never half computed", () => {
  const net = buildNetwork({ channels: 1, levels: 2, condition: { width: 2, perPixel: false, map: [] } });
  const x = net.declare("x", { features: 2 });
  const sum = net.declare("s", { features: 2 });
  const product = here(x, "all", "W");
  test.each([
    [
      "a condition beside a map",
      [bias("b"), condition("V"), plus(x), product],
      "a condition or a map to begin the sum s, received both",
    ],
    ["two maps", [bias("b"), plus(x), plus(x), product], "expected at most one map to begin the sum s"],
    ["a bias after a product", [product, bias("b")], "expected bias, condition and map to begin the sum s"],
    ["no product", [bias("b"), plus(x)], "expected a product in the sum s"],
    [
      "an embedding",
      [embed(net.input, [[-1, 0]], "all", "E")],
      "expected no embed term in s: the exact engine does not have it yet",
    ],
  ])("%s", (_, terms, words) => {
    expect(() => checkTerms({ step: "sum", out: sum, terms })).toThrow(words);
  });
});

test("memory does not depend on the height, and an absurd width is refused before it is taken", async () => {
  const plan = createPlan(randomModel(configOf({ features: 32, skip: 32, depth: 10, dilations: [1, 2, 4] })));
  expect(layOut(plan, 1, 64).end).toBeLessThan(4 * 2 ** 20);
  // The 4,000 x 64 image of the issue, either way up.
  expect(layOut(plan, 1, 4000).end).toBeLessThan(100 * 2 ** 20);
  const engine = createEngine(randomModel(configOf()));
  expect(engine.memoryFor({ count: 1, width: 1e8 })).toBeGreaterThan(2 ** 31);
  await expect(engine.sample({ count: 1, height: 1, width: 1e8 })).rejects.toThrow(
    /^expected at most 2 GiB of buffers for one run of the exact engine but received/,
  );
});

test("wide images run fewer at a time instead of failing", async () => {
  const engine = createEngine(randomModel(configOf({ depth: 2 })), { batch: 64 });
  expect(engine.memoryFor({ count: 64, width: 40000 })).toBeGreaterThan(512 * 2 ** 20);
  const { pixels } = await engine.complete({
    images: { height: 1, width: 40000, pixels: new Uint8Array(64 * 40000) },
    rows: 1,
  });
  expect(pixels.length).toBe(64 * 40000);
});
