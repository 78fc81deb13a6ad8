/** Models inside archives: how their weights are rounded, what their bytes are, and what is refused. */

import { describe, expect, test } from "vitest";
import type { PixelcnnConfig } from "../models/config.ts";
import { configOf, randomModel } from "../models/random-model.test-support.ts";
import { resolvePixelcnn } from "../models/schema.ts";
import { sizeOf, tensor } from "../tensor.ts";
import { hex, sha256 } from "./digest.ts";
import { readModelSection, writeModelSection } from "./model-section.ts";
import { WEIGHT_PRECISIONS, type WeightPrecision } from "./rounded-weights.ts";
import { readStoredModel, roundModel, storedDigest } from "./stored-model.ts";

const sizes = { height: 5, width: 7, channels: 1, levels: 4, features: 6, depth: 3, firstKernel: 3 };
const head = { features: 6 };
const configs: readonly PixelcnnConfig[] = [
  configOf(),
  configOf({ channels: 3, condition: { kind: "class", classes: ["cat", "Katze", "ねこ"] } }),
  configOf({ condition: { kind: "vector", size: 3, scale: 0.1, features: 2 } }),
  configOf({ condition: { kind: "map", height: 2, width: 2, channels: 3 } }),
  resolvePixelcnn({ family: "pixelcnn", ...sizes, head }),
  resolvePixelcnn({ family: "row-lstm", ...sizes, head }),
  resolvePixelcnn({ family: "diagonal-bilstm", ...sizes, head }),
];

/** The nearest bfloat16 by its definition, searched for among neighbours; of two, the even one. */
function nearestBfloat16(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const at = view.getUint16(0);
  const candidates = [at, at + 1].map((half) => {
    view.setUint32(0, half * 65536);
    return { half, value: view.getFloat32(0) };
  });
  const [a, b] = candidates.map((each) => Math.abs(each.value - value)) as [number, number];
  return candidates[a < b || (a === b && at % 2 === 0) ? 0 : 1]!.value;
}

describe("a rounded model", () => {
  test.each(WEIGHT_PRECISIONS)("in %s is what its bytes say, of every family and condition", async (precision) => {
    for (const config of configs) {
      const model = randomModel(config);
      const rounded = roundModel(model, precision, { step: 12 });
      const back = readStoredModel(rounded.bytes);
      expect(back.config).toEqual(config);
      expect([back.precision, back.step]).toEqual([precision, 12]);
      expect(new Map([...back.parameters].sort())).toEqual(new Map([...rounded.parameters].sort()));
      expect(hex(await storedDigest(back))).toBe(hex(await storedDigest(rounded)));
      expect(new Set(back.parameters.keys())).toEqual(new Set(model.parameters.keys()));
    }
  });

  test("in bfloat16 has the nearest numbers, and is not rounded again", () => {
    const model = randomModel(configOf());
    const rounded = roundModel(model, "bfloat16");
    for (const [name, { data }] of model.parameters)
      expect([...rounded.parameters.get(name)!.data]).toEqual([...data].map(nearestBfloat16));
    expect(roundModel(rounded, "bfloat16").bytes).toEqual(rounded.bytes);
  });

  test.each([
    ["int8", 127],
    ["int6", 31],
  ] as const)("in %s has whole numbers of steps, one step an output, at most %i of them", (precision, most) => {
    const model = randomModel(configOf());
    const rounded = roundModel(model, precision);
    for (const [name, { shape, data }] of model.parameters) {
      const found = rounded.parameters.get(name)!.data;
      if (shape.length === 1) {
        expect([...found]).toEqual([...data].map(nearestBfloat16));
        continue;
      }
      const outputs = shape.at(-1)!;
      for (let out = 0; out < outputs; out++) {
        const own = [...data].filter((_, i) => i % outputs === out);
        const largest = Math.max(...own.map(Math.abs));
        // The step is at most one part in 128 more than it must be.
        const step = (largest / most) * (1 + 2 ** -7);
        for (const [k, value] of [...found].filter((_, i) => i % outputs === out).entries())
          expect(Math.abs(value - own[k]!)).toBeLessThanOrEqual(step / 2);
      }
    }
  });

  test("keeps zeros, the smallest and very large numbers", () => {
    const model = randomModel(configOf());
    const [name, { shape }] = [...model.parameters].find(([, { shape }]) => shape.length > 1)!;
    for (const value of [0, 2 ** -149, -(2 ** -140), 1e38]) {
      const data = new Float32Array(sizeOf(shape)).fill(value);
      const odd = { ...model, parameters: new Map([...model.parameters, [name, tensor("float32", shape, data)]]) };
      for (const precision of WEIGHT_PRECISIONS) {
        const { bytes, parameters } = roundModel(odd, precision);
        expect(readStoredModel(bytes).parameters.get(name)).toEqual(parameters.get(name));
        expect([...parameters.get(name)!.data].every(Number.isFinite)).toBe(true);
        if (value === 0) expect(new Set(parameters.get(name)!.data)).toEqual(new Set([0]));
      }
    }
  });

  test("takes about as many bits a weight as its name says, or fewer", () => {
    const model = randomModel(configOf({ features: 24, depth: 4 }));
    const count = [...model.parameters.values()].reduce((sum, { data }) => sum + data.length, 0);
    const bits = (precision: WeightPrecision): number => (8 * roundModel(model, precision).bytes.length) / count;
    expect(bits("bfloat16")).toBeLessThan(13);
    expect(bits("int8")).toBeLessThan(9.5);
    expect(bits("int6")).toBeLessThan(bits("int8") - 1.5);
  });

  test("has the same bytes on every machine", async () => {
    const found = await Promise.all(
      WEIGHT_PRECISIONS.map(async (precision) =>
        hex(await sha256(roundModel(randomModel(configOf()), precision).bytes)),
      ),
    );
    expect(found.map((digest) => digest.slice(0, 16))).toEqual([
      "21fd791c47910cb1",
      "3cd1e326d1362e26",
      "2de731847f6f5369",
    ]);
  });
});

describe("what is refused", () => {
  const model = randomModel(configOf());
  const { bytes } = roundModel(model, true);
  const head = (json: string) => Uint8Array.of(8, json.length, ...new TextEncoder().encode(json));

  test("says what was expected", () => {
    expect(() => roundModel(model, "int4" as WeightPrecision)).toThrow(
      "expected bfloat16, int8, int6 for the precision of weights but received int4",
    );
    expect(() => readStoredModel(Uint8Array.of(7, ...bytes.subarray(1)))).toThrow(
      "byte 0: expected 16, 8, 6 for the bits of a weight but found 7",
    );
    expect(() => readStoredModel(head("{]"))).toThrow(/^byte 2: expected JSON for the config but found/);
    expect(() => readStoredModel(head('{"config":{"family":"other"}}'))).toThrow(
      /^byte 2: the config: expected a model of family/,
    );
    expect(() => readStoredModel(bytes.subarray(0, -20))).toThrow(/of the stream: expected/);
  });

  test("no config asks for more than 2^26 weights, before any is made", () => {
    const large = { ...configOf(), features: 4096, depth: 200, skip: 0 };
    const json = JSON.stringify({ config: large });
    const length = [128 | (json.length & 127), json.length >> 7];
    expect(() => readStoredModel(Uint8Array.of(8, ...length, ...new TextEncoder().encode(json)))).toThrow(
      /expected at most 67108864 for the number of weights but found \d+, as the config says/,
    );
  });

  test("every bit of a section that is damaged is found", () => {
    const section = writeModelSection(bytes);
    const place = { offset: 0, length: section.length };
    expect(readModelSection(section, place)).toEqual(bytes);
    for (let bit = 0; bit < 8 * section.length; bit += bit < 800 ? 1 : 37) {
      const damaged = section.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => readModelSection(damaged, place)).toThrow(/of the model inside|for the model inside/);
    }
  });
});
