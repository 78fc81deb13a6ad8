/**
 * For tests: what proves a family of models right, whatever its steps are. Each law holds independent ways of working
 * out the same thing against each other: graph, exact engine, naive pass, sets of sub-pixels, a closed form written by
 * hand.
 */

import { describe, expect, test } from "vitest";
import { createEngine } from "../exact/engine.ts";
import { contains, dependencies } from "../network/dependencies.ts";
import { initialise, type ParameterMap } from "../network/parameters.ts";
import { randomFrom } from "../random.ts";
import { type Tensor, tensor } from "../tensor.ts";
import { conditionNumbers } from "./condition.ts";
import type { ConditionConfig, PixelcnnConfig } from "./config.ts";
import { checkLossDerivatives, randomLevels, randomParameters } from "./families.test-support.ts";
import {
  changed,
  type Family,
  type FamilyCase,
  given,
  numbersOf,
  TINY_IMAGES,
  tinyOf,
  valuesOf,
} from "./family-cases.test-support.ts";
import { checkChiSquare, checkCodec, checkEngines, checkResume, checkSampler } from "./family-engines.test-support.ts";
import { mixtureLogProbabilities } from "./heads/naive-mixture.test-support.ts";
import { networkOf, pixelcnnParameters } from "./networks.ts";
import {
  allImages,
  openModel,
  type RandomModel,
  randomModel,
  randomPixels,
  runModel,
} from "./random-model.test-support.ts";

/** All laws, for each case. */
export function checkFamily<C extends PixelcnnConfig>(family: Family<C>, cases: readonly FamilyCase<C>[]): void {
  for (const one of cases)
    describe(`${family.title}: ${one.title}`, () => {
      checkField(family, one);
      checkSums(one);
      checkEngines(one);
      checkSampler(one);
      checkFreshModel(one);
      if (one.config.condition) checkCondition(family, one.config, one.config.condition);
      checkDerivatives(family, one);
      checkResume(family, one);
      checkCodec(one);
    });
  for (const kind of new Set(cases.map(({ config }) => config.head.kind)))
    describe(`${family.title}, ${kind} head`, () => {
      checkChiSquare(cases.find(({ config }) => config.head.kind === kind)!.config);
    });
}

/** Law 1. */
export function checkField<C extends PixelcnnConfig>(family: Family<C>, { config, covers }: FamilyCase<C>): void {
  const field = family.closedForm(config);
  const size = config.height * config.width * config.channels;
  /** Sub-pixels that see what the closed form does not say, or the reverse. */
  const disagreements = (sees: (i: number, j: number) => boolean, known: (i: number, j: number) => boolean): string[] =>
    field.flatMap((seen, i) =>
      field.flatMap((_, j) => {
        const found = sees(i, j);
        return found === seen.has(j) || known(i, j) ? [] : [`${i} ${found ? "depends" : "does not depend"} on ${j}`];
      }),
    );

  test(`the rules let a sub-pixel see earlier ones alone, ${covers ? "and each of them" : "and not each of them"}`, () => {
    expect(field).toHaveLength(size);
    for (const [i, seen] of field.entries()) expect(Math.max(-1, ...seen)).toBeLessThan(i);
    expect(field.every((seen, i) => seen.size === i)).toBe(covers);
  });

  test("the steps say of each pair of sub-pixels what the rules say", () => {
    const sets = dependencies(networkOf(config), config);
    expect(sets).toHaveLength(size);
    expect(
      disagreements(
        (i, j) => contains(sets[i]!, j),
        () => false,
      ),
    ).toEqual([]);
  });

  /**
   * Whether output i changes when sub-pixel j does. One image a run, so that all runs are the same arithmetic at the
   * same places.
   */
  async function observed(dtype: "float32" | "float64"): Promise<(i: number, j: number) => boolean> {
    const { levels: K, condition } = config;
    const session = await openModel(randomModel(config, 3), "logits", { dtype });
    const { h } = numbersOf(config, [valuesOf(condition)[0]!]);
    const base = randomPixels(config);
    const before = await session.run(base, h);
    const runs: number[][] = [];
    for (let j = 0; j < size; j++) runs.push(await session.run(base.with(j, (base[j]! + 1) % K), h));
    await session.close();
    return (i, j) => before.slice(i * K, (i + 1) * K).some((v, k) => runs[j]![i * K + k] !== v);
  }
  test("an output changes with exactly the sub-pixels that the rules let it see", async () => {
    expect(disagreements(await observed("float64"), () => false)).toEqual([]);
  });
  test("in float32 too, an output changes with no other", async () => {
    // A change far away may be rounded off; one that must not be seen has no such excuse.
    expect(disagreements(await observed("float32"), (i, j) => field[i]!.has(j))).toEqual([]);
  });
}

/** Law 2. */
function checkSums<C extends PixelcnnConfig>({ config }: FamilyCase<C>): void {
  test.each(TINY_IMAGES)(
    "probabilities of all %s images sum to 1, given each value of the condition",
    async (_, size) => {
      const model = randomModel(changed(config, size), 8);
      const pixels = allImages(model.config);
      const places = size.height * size.width * size.channels;
      const batch = size.levels ** places;
      const engine = createEngine(model, { batch });
      const session = await openModel(model, "logProbability", { batch });
      const float32Graph = await openModel(model, "logProbability", { batch, dtype: "float32" });
      const values = valuesOf(config.condition);
      const seen = new Set<string>();
      for (const value of values) {
        const each = Array.from({ length: batch }, () => value);
        const logP = await session.run(pixels, numbersOf(config, each).h);
        // float64: one rounding per image, of up to 729. And they differ, or the sum would say little.
        expect(Math.abs(logP.reduce((sum, l) => sum + Math.exp(l), 0) - 1)).toBeLessThan(1e-12);
        expect(Math.max(...logP) - Math.min(...logP)).toBeGreaterThan(0.5);
        seen.add(logP.join());
        const narrow = await float32Graph.run(pixels, numbersOf(config, each).h);
        expect(Math.abs(narrow.reduce((sum, l) => sum + Math.exp(l), 0) - 1)).toBeLessThan(1e-6);
        const bits = await engine.score({ images: { ...size, pixels }, ...given(config, each) });
        const exact = logP.map((_, i) => 2 ** -bits.subarray(i * places, (i + 1) * places).reduce((a, b) => a + b));
        // Each table sums to 2^24 exactly: what is left is the rounding of log2 and 2^x in float64.
        expect(Math.abs(exact.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-12);
      }
      // Each value is a distribution of its own.
      expect(seen.size).toBe(values.length);
      await Promise.all([session.close(), float32Graph.close()]);
    },
  );
}

/** Law 5. */
function checkFreshModel<C extends PixelcnnConfig>({ config }: FamilyCase<C>): void {
  const fresh = (changes: Partial<PixelcnnConfig>): { config: C; parameters: ParameterMap } => {
    const model = changed(config, changes);
    return { config: model, parameters: initialise(pixelcnnParameters(model), randomFrom(3)) };
  };
  const value = valuesOf(config.condition)[0]!;
  if (config.head.kind === "mixture") {
    const { components } = config.head;
    test("a fresh model gives every sub-pixel the mixture of its first values, within a bit of 8 bits of 256", async () => {
      const bytes = fresh({ levels: 256 });
      const found = await runModel(bytes, "logits", randomPixels(bytes.config), numbersOf(config, [value]));
      const biases = bytes.parameters.get("head.mixture.b")!.data;
      const { channels: C } = config;
      for (let c = 0, first = 0; c < C; first += (3 + c++) * components) {
        const outputs = biases.subarray(first, first + (3 + c) * components);
        const expected = mixtureLogProbabilities({ levels: 256, components, outputs, seen: new Array(c).fill(0.5) });
        expect(Math.abs(-expected.reduce((a, b) => a + b) / 256 / Math.LN2 - 8)).toBeLessThan(1);
        for (let s = c; s < config.height * config.width * C; s += C)
          for (const [k, logP] of expected.entries()) expect(found[256 * s + k]).toBeCloseTo(logP, 10);
      }
    });
    return;
  }
  test("a fresh model finds all levels equally likely: 8 bits of 256, 543.427 nats of 28x28 binary", async () => {
    const bytes = fresh({ levels: 256 });
    const pixels = randomPixels(bytes.config);
    const [logP] = await runModel(bytes, "logProbability", pixels, numbersOf(config, [value]));
    expect(-logP! / Math.LN2 / pixels.length).toBeCloseTo(8, 12);
    const { height, width } = config;
    const bits = await createEngine(bytes).score({ images: { height, width, pixels }, ...given(config, [value]) });
    expect(new Set(bits)).toEqual(new Set([8]));

    const binary = fresh({ height: 28, width: 28, channels: 1, levels: 2 });
    for (const dtype of ["float64", "float32"] as const) {
      const options = { dtype, ...numbersOf(config, [value]) };
      const [nats] = await runModel(binary, "logProbability", randomPixels(binary.config), options);
      expect(-nats!).toBeCloseTo(543.427, 3);
    }
  });
}

/** Law 6. */
function checkCondition<C extends PixelcnnConfig>(family: Family<C>, config: C, condition: ConditionConfig): void {
  const matrices = family.conditionMatrices(config);
  // Each number of a vector matters by itself.
  const units = condition.kind === "vector" ? Array.from({ length: condition.size }, (_, d) => d) : [];
  const values = [...valuesOf(condition), ...units.map((d) => Float32Array.from(units, (e) => (d === e ? 1 : 0)))];
  const pixels = randomPixels(config);
  const K = config.levels * config.channels;
  /** The model with every V zero, save one. */
  const withOnly = (kept?: string): RandomModel<C> => {
    const model = randomModel(config, 5);
    for (const name of matrices) if (name !== kept) model.parameters.get(name)!.data.fill(0);
    return model;
  };
  /** Logits in float64 under each value, by the same arithmetic at the same places. */
  const logits = async (model: RandomModel<C>): Promise<number[][]> => {
    const session = await openModel(model, "logits");
    const found: number[][] = [];
    for (const value of values) found.push(await session.run(pixels, numbersOf(config, [value]).h));
    await session.close();
    return found;
  };

  test("a matrix meets the condition wherever the rules say, and nowhere else", () => {
    const free = new Set(pixelcnnParameters({ ...config, condition: null }).map(({ name }) => name));
    const found = pixelcnnParameters(config).flatMap(({ name }) =>
      free.has(name) || name.startsWith("map.") ? [] : [name],
    );
    expect(found.toSorted()).toEqual(matrices.toSorted());
  });
  test.each(matrices)("each pixel's outputs change with the condition through %s alone", async (name) => {
    const found = await logits(withOnly(name));
    // A class says the same everywhere, a map something everywhere: every pixel tells all values, and none, apart.
    const { hears = () => true } = family;
    for (let p = 0; p < config.height * config.width; p++)
      if (hears(config, Math.floor(p / config.width), p % config.width))
        expect(new Set(found.map((all) => all.slice(p * K, (p + 1) * K).join())).size, `pixel ${p}`).toBe(
          values.length,
        );
  });
  test("with every V zero, the outputs are those of the model without a condition", async () => {
    const [deaf, ...others] = await logits(withOnly());
    for (const other of others) expect(other).toEqual(deaf);
    const expected = await runModel({ ...withOnly(), config: { ...config, condition: null } }, "logits", pixels);
    // The same sums, some with zeros added.
    for (const [i, v] of expected.entries())
      expect(Math.abs(deaf![i]! - v)).toBeLessThan(1e-13 * Math.max(1, Math.abs(v)));
  });
  if (condition.kind !== "class") return;
  test("a class is a bias of its own, and a mixture mixes the biases, wherever there is a V", async () => {
    const model = randomModel(config, 4);
    const found = await logits(model);
    for (const [at, value] of values.entries()) {
      const weights = conditionNumbers(condition, value);
      const biased = new Map<string, Tensor<"float32">>(model.parameters);
      for (const name of matrices) {
        const [v, b] = [model.parameters.get(name)!, model.parameters.get(biasBeside(config, name))!];
        const mixed = (o: number): number => weights.reduce((sum, w, k) => sum + w * v.data[k * b.data.length + o]!, 0);
        const data = b.data.map((x, o) => x + mixed(o));
        biased.set(biasBeside(config, name), tensor("float32", b.shape, data));
      }
      const expected = await runModel({ config: { ...config, condition: null }, parameters: biased }, "logits", pixels);
      // The sums are rounded to float32 when they become parameters again.
      for (const [i, v] of expected.entries())
        expect(Math.abs(found[at]![i]! - v)).toBeLessThan(1e-6 * Math.max(1, Math.abs(v)));
    }
  });
}

/** The bias of the sum that a matrix V is a term of. */
function biasBeside(config: PixelcnnConfig, name: string): string {
  for (const step of networkOf(config).steps) {
    if (step.step !== "sum") continue;
    const named = (kind: "bias" | "condition"): string[] =>
      step.terms.flatMap((term) => (term.term === kind ? [term.by.name] : []));
    const [v] = named("condition");
    if (v !== undefined && name.startsWith(v)) return name.replace(v, named("bias")[0]!);
  }
  throw new Error(`no sum has the term ${name}`);
}

/** Law 7. */
function checkDerivatives<C extends PixelcnnConfig>(family: Family<C>, { config }: FamilyCase<C>): void {
  test("the loss's derivatives are those of central differences, and every parameter matters", async () => {
    const tiny = tinyOf(family, config, { height: 3, width: 4, levels: 3, firstKernel: 3 });
    const values = valuesOf(config.condition).slice(0, 2);
    const condition = numbersOf(config, values).h;
    const parameters = randomParameters(pixelcnnParameters(tiny), 3);
    // A narrow logistic bends so much that the differences themselves are wrong in the eighth digit.
    const tolerance = config.head.kind === "mixture" ? 1e-7 : undefined;
    const beside = condition ? { condition } : {};
    const found = await checkLossDerivatives(tiny, parameters, randomLevels(tiny, 2), beside, tolerance);
    for (const [name, list] of found) expect(Math.max(...list.map(Math.abs)), name).toBeGreaterThan(1e-4);
  });
}
