/**
 * What a step's images come with: their labels, vectors and maps, in their places; conditions left out; classes for a
 * triplet loss.
 */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Dataset, datasetFromArrays, datasetOf } from "../data/dataset.ts";
import { withVectors } from "../data/with-vectors.ts";
import { balancedOrder, batchOrder, identityOrder, openBatches, type TrainBatch } from "./batches.ts";
import { type RunConfig, resolveRun } from "./config.ts";

const IMAGES = 11;
const CLASSES = ["a", "b", "c"];
const shape = { name: "eleven", split: "train", height: 1, width: 1, channels: 1, levels: 16 };
/** Image i is the one pixel i; its class is i mod 3, but image 4 has none. */
const labelOf = (i: number): number => (i === 4 ? -1 : i % 3);
const labelled = datasetFromArrays(
  { ...shape, classes: CLASSES },
  Uint8Array.from({ length: IMAGES }, (_, i) => i),
  Array.from({ length: IMAGES }, (_, i) => labelOf(i)),
);
/** A vector that says which image it is of, and which epoch it was drawn in. */
const told = datasetOf(
  { ...shape, classes: null, length: IMAGES, nameOf: String, vectorSize: 2 },
  async (indices, pixels, _labels, epoch, vectors) => {
    indices.forEach((index, i) => {
      pixels[i] = index;
      vectors.set([index, epoch], 2 * i);
    });
  },
);

const runOf = (model: object, train: object = {}): RunConfig =>
  resolveRun({
    data: { source: "eleven" },
    model: { height: 1, width: 1, channels: 1, levels: 16, depth: 1, firstKernel: 3, ...model },
    train: { batch: 4, seed: 3, ...train },
  });
const classes = { condition: { kind: "class", classes: CLASSES } };
async function steps(config: RunConfig, data: Dataset, count: number): Promise<TrainBatch[]> {
  const read = await openBatches(config, data);
  return Promise.all(Array.from({ length: count }, (_, step) => read(step)));
}
/** Rows of D numbers. */
const rowsOf = (numbers: ArrayLike<number>, D: number): number[][] =>
  Array.from({ length: numbers.length / D }, (_, i) => Array.from({ length: D }, (_, k) => numbers[i * D + k]!));

test("a share of a batch is that part of the whole one, with its draws", async () => {
  const settings = { conditionDropout: 0.5, blind: 0.5 };
  const read = await openBatches(runOf(classes, settings), labelled);
  const cut = <N extends Uint8Array | Float32Array>(all: N | undefined, each: number): number[] =>
    [...all!].slice(each, 3 * each);
  for (const step of [0, 2, 5]) {
    const [whole, share] = [await read(step), await read(step, { from: 1, to: 3 })];
    expect([...share.pixels]).toEqual(cut(whole.pixels, 1));
    expect([...share.condition!]).toEqual(cut(whole.condition, CLASSES.length));
    expect([...share.sees!]).toEqual(cut(whole.sees, 1));
  }
});

describe("each image comes with its own condition, over the end of an epoch too", () => {
  test("a class, or none where it has no label", async () => {
    const batches = await steps(runOf(classes), labelled, 12);
    const order = batchOrder(3, IMAGES, 4);
    batches.forEach(({ pixels, condition, labels }, step) => {
      expect([...pixels]).toEqual([...order(step).indices]);
      expect(rowsOf(condition!, 3)).toEqual(
        Array.from(pixels, (i) => [0, 1, 2].map((k) => (labelOf(i) === k ? 1 : 0))),
      );
      // Only a model that asks for labels is given them.
      expect(labels).toBeUndefined();
    });
    expect(batches.some(({ pixels }) => pixels.includes(4))).toBe(true);
  });

  test("a vector, drawn in the image's own epoch", async () => {
    const batches = await steps(runOf({ condition: { kind: "vector", size: 2 } }), told, 12);
    const order = batchOrder(3, IMAGES, 4);
    const mixed = batches.filter(({ condition }, step) => {
      const { indices, epochs } = order(step);
      expect(rowsOf(condition!, 2)).toEqual(Array.from(indices, (index, i) => [index, epochs[i]!]));
      return new Set(epochs).size > 1;
    });
    // Eleven images: steps 2, 5 and 8 reach over an end.
    expect(mixed).toHaveLength(3);
  });

  test("a map, with the channel that says so", async () => {
    const map = { kind: "map", height: 1, width: 2, channels: 1 };
    const [, , batch] = await steps(runOf({ condition: map }), told, 3);
    expect(rowsOf(batch!.condition!, 4)).toEqual(Array.from(batch!.pixels, (i, at) => [i, 1, at < 3 ? 0 : 1, 1]));
  });

  test("none for a model without: neither condition nor labels", async () => {
    const [batch] = await steps(runOf({}), labelled, 1);
    expect(Object.keys(batch!)).toEqual(["pixels"]);
  });

  test.each([
    [classes, told, "expected the model's classes (a, b, c) but eleven has no classes"],
    [
      { condition: { kind: "vector", size: 3 } },
      told,
      "expected a vector of 3 numbers with each image but eleven has vectors of 2",
    ],
    [
      { condition: { kind: "vector", size: 2 } },
      labelled,
      "expected a vector of 2 numbers with each image but eleven has none",
    ],
  ])("data that cannot give it are refused before the first step (%#)", async (model, data, words) => {
    await expect(openBatches(runOf(model), data)).rejects.toThrow(words);
  });
});

describe("conditions that are left out (train.conditionDropout)", () => {
  const vector = { condition: { kind: "vector", size: 2 } };
  // Image 0 would have a vector that begins with 0.
  const data = withVectors(
    labelled,
    Float32Array.from({ length: 2 * IMAGES }, (_, i) => i + 1),
    2,
  );
  const dropped = (batch: TrainBatch): boolean[] => rowsOf(batch.condition!, 2).map((row) => row.every((v) => v === 0));

  test("are the share that was asked for, and the others are as they were", async () => {
    const [all, some, none] = await Promise.all(
      [0, 0.25, 1].map((conditionDropout) => steps(runOf(vector, { conditionDropout }), data, 300)),
    );
    let count = 0;
    some!.forEach((batch, step) => {
      expect(batch.pixels).toEqual(all![step]!.pixels);
      const rows = rowsOf(batch.condition!, 2);
      dropped(batch).forEach((out, i) => {
        if (out) count++;
        else expect(rows[i]).toEqual(rowsOf(all![step]!.condition!, 2)[i]);
      });
    });
    // 1200 draws of 1/4: 300, give or take 15; within four times that.
    expect(Math.abs(count - 300)).toBeLessThan(60);
    expect(all!.flatMap(dropped)).not.toContain(true);
    expect(none!.flatMap(dropped)).not.toContain(false);
    // Every place of a batch is left out at some time, and no two steps in a row leave out the same.
    for (let i = 0; i < 4; i++) expect(some!.some((batch) => dropped(batch)[i])).toBe(true);
    expect(new Set(some!.slice(0, 100).map((batch) => dropped(batch).join())).size).toBeGreaterThan(8);
  });

  test("an auto-encoder is told whose own latents to leave out, a squared error's is not", async () => {
    const latents = (decoder: object): object => ({
      family: "autoencoder",
      height: 4,
      width: 4,
      channels: 1,
      levels: 16,
      latents: 2,
      encoder: { features: [2] },
      decoder,
    });
    const pictures = datasetFromArrays({ ...shape, height: 4, width: 4, classes: null }, new Uint8Array(16 * IMAGES));
    const ofRun = (decoder: object, settings: object = {}): Promise<TrainBatch[]> =>
      steps(
        resolveRun({ data: { source: "eleven" }, model: latents(decoder), train: { batch: 4, seed: 3, ...settings } }),
        pictures,
        300,
      );
    const [all, some, squared] = await Promise.all([
      ofRun({ kind: "pixelcnn", depth: 1, firstKernel: 3 }),
      ofRun({ kind: "pixelcnn", depth: 1, firstKernel: 3 }, { conditionDropout: 0.25 }),
      ofRun({ kind: "deconvolution", features: [2] }),
    ]);
    expect(new Set(all.flatMap(({ keep }) => [...keep!]))).toEqual(new Set([1]));
    const kept = some.flatMap(({ keep }) => [...keep!]);
    expect(new Set(kept)).toEqual(new Set([0, 1]));
    // 1200 draws of 1/4, as above.
    expect(Math.abs(kept.filter((k) => k === 0).length - 300)).toBeLessThan(60);
    expect(squared.map(({ keep }) => keep)).not.toContainEqual(expect.anything());
  });

  test("so are pixels that are not shown (train.blind), of other images", async () => {
    const [config, other] = [
      runOf(classes, { blind: 0.25, conditionDropout: 0.25 }),
      runOf(classes, { blind: 0.25, conditionDropout: 0.25, seed: 4 }),
    ];
    const all = await steps(config, labelled, 300);
    const unseen = all.flatMap(({ sees }) => Array.from(sees!, (s) => s === 0));
    const without = all.flatMap(({ condition }) => rowsOf(condition!, 3).map((row) => row.every((v) => v === 0)));
    expect(new Set(all.flatMap(({ sees }) => [...sees!]))).toEqual(new Set([0, 1]));
    expect(Math.abs(unseen.filter(Boolean).length - 300)).toBeLessThan(60);
    // Drawn apart: of the 1200, a quarter of a quarter has neither (and image 4 has no class).
    const neither = unseen.filter((u, i) => u && without[i]).length;
    expect(neither).toBeGreaterThan(40);
    expect(neither).toBeLessThan(150);
    const read = await openBatches(config, labelled);
    for (const step of [9, 2, 2, 0]) expect(await read(step)).toEqual(all[step]);
    expect((await steps(other, labelled, 9)).map(({ sees }) => sees)).not.toEqual(
      all.slice(0, 9).map(({ sees }) => sees),
    );
    // A model without a condition is not told.
    expect((await steps(runOf({}), labelled, 1))[0]!.sees).toBeUndefined();
  });

  test("are named by the seed and the step: asked in any order, alone or again", async () => {
    const config = runOf(classes, { conditionDropout: 0.5 });
    const inOrder = await steps(config, labelled, 10);
    const read = await openBatches(config, labelled);
    for (const step of [9, 2, 2, 7, 0]) expect(await read(step)).toEqual(inOrder[step]);
    const other = await steps(runOf(classes, { conditionDropout: 0.5, seed: 4 }), labelled, 10);
    expect(other.map(({ condition }) => condition)).not.toEqual(inOrder.map(({ condition }) => condition));
  });
});

describe("batches of every class as often (train.balance)", () => {
  const cases = fc.record({
    seed: fc.nat(),
    labels: fc
      .array(fc.integer({ min: -1, max: 5 }), { minLength: 1, maxLength: 40 })
      .filter((labels) => labels.some((l) => l >= 0)),
    batch: fc.integer({ min: 1, max: 9 }),
    steps: fc.integer({ min: 1, max: 60 }),
  });
  const drawn = (
    seed: number,
    labels: readonly number[],
    batch: number,
    count: number,
  ): { image: number; epoch: number }[] => {
    const order = balancedOrder(seed, Int32Array.from(labels), batch);
    return Array.from({ length: count }, (_, step) => order(step)).flatMap(({ indices, epochs }) =>
      Array.from(indices, (image, i) => ({ image, epoch: epochs[i]! })),
    );
  };

  test("classes in rounds, each class's images in permutations, an image's epoch how often it came before", () => {
    fc.assert(
      fc.property(cases, ({ seed, labels, batch, steps }) => {
        const all = drawn(seed, labels, batch, steps);
        const known = new Set(labels.filter((l) => l >= 0)).size;
        for (let at = 0; at < all.length; at += known) {
          const round = all.slice(at, at + known).map(({ image }) => labels[image]!);
          expect(round).not.toContain(-1);
          expect(new Set(round).size).toBe(round.length);
        }
        const before = new Map<number, number>();
        for (const { image, epoch } of all) {
          expect(epoch).toBe(before.get(image) ?? 0);
          before.set(image, epoch + 1);
        }
        // Within a class, none comes again before all have come.
        for (const label of new Set(labels)) {
          const times = labels.flatMap((l, i) => (l === label && l >= 0 ? [before.get(i) ?? 0] : []));
          if (times.length > 0) expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("depend on the seed and the step alone", () => {
    fc.assert(
      fc.property(cases, fc.array(fc.nat(50), { maxLength: 5 }), ({ seed, labels, batch, steps }, before) => {
        const open = () => balancedOrder(seed, Int32Array.from(labels), batch);
        const order = open();
        for (const other of before) order(other);
        expect(order(steps)).toEqual(open()(steps));
      }),
    );
    const labels = Array.from({ length: 60 }, (_, i) => i % 12);
    expect(drawn(1, labels, 8, 2)).not.toEqual(drawn(2, labels, 8, 2));
    expect(drawn(1, labels, 12, 1)).not.toEqual(drawn(1, labels, 12, 2).slice(12));
  });

  test("come to a run that asks, each with its own class; without classes it is refused", async () => {
    const all = await steps(runOf(classes, { balance: true }), labelled, 30);
    const counts = [0, 0, 0];
    for (const { pixels, condition } of all) {
      expect(rowsOf(condition!, 3)).toEqual(
        Array.from(pixels, (i) => [0, 1, 2].map((k) => (labelOf(i) === k ? 1 : 0))),
      );
      for (const i of pixels) counts[labelOf(i)]!++;
    }
    expect(counts).toEqual([40, 40, 40]);
    // What an epoch has of a batch is read at once.
    const asked: number[] = [];
    const counted = {
      ...told,
      classes: CLASSES,
      labelOf,
      batch: (...words: Parameters<Dataset["batch"]>) => {
        asked.push(words[1]?.epoch ?? -1);
        return told.batch(...words);
      },
    };
    const read = await openBatches(runOf({ condition: { kind: "vector", size: 2 } }, { balance: true }), counted);
    for (let step = 0; step < 30; step++) {
      asked.length = 0;
      const { pixels, condition } = await read(step);
      expect(new Set(asked).size).toBe(asked.length);
      const rows = rowsOf(condition!, 2);
      expect(rows.map(([index]) => index)).toEqual([...pixels]);
      expect(new Set(rows.map(([, epoch]) => epoch))).toEqual(new Set(asked));
    }
    const plain = datasetFromArrays({ ...shape, classes: null }, new Uint8Array(5));
    await expect(openBatches(runOf({}, { balance: true }), plain)).rejects.toThrow(
      "expected classes to balance (train.balance) but eleven has none: subfolders are classes",
    );
    const loose = datasetFromArrays({ ...shape, classes: CLASSES }, new Uint8Array(2), [-1, -1]);
    await expect(openBatches(runOf({}, { balance: true }), loose)).rejects.toThrow(
      "expected images of some class to balance (train.balance) but none has a class",
    );
  });
});

describe("batches of classes for a triplet loss", () => {
  /** Labels with gaps, images without one, and classes of one image. */
  const cases = fc.record({
    seed: fc.nat(),
    labels: fc
      .array(fc.integer({ min: -1, max: 8 }), { minLength: 6, maxLength: 60 })
      .filter((labels) => new Set(labels.filter((l) => l >= 0)).size >= 2),
    perClass: fc.integer({ min: 2, max: 5 }),
    classes: fc.integer({ min: 2, max: 6 }),
    extra: fc.nat(4),
    step: fc.nat(500),
  });

  test(
    "hold perClass images each of as many classes: all labelled, classes anew only when all were drawn, images " +
      "too",
    () => {
      fc.assert(
        fc.property(cases, ({ seed, labels, perClass, classes, extra, step }) => {
          const batch = classes * perClass + (extra % perClass);
          const { indices, epochs } = identityOrder(seed, Int32Array.from(labels), batch, perClass)(step);
          expect(indices).toHaveLength(batch);
          expect(new Set(epochs)).toEqual(new Set([Math.floor((step * batch) / labels.length)]));
          const groups = Array.from({ length: Math.ceil(batch / perClass) }, (_, g) => [
            ...indices.slice(g * perClass, (g + 1) * perClass),
          ]);
          const drawn = groups.map((images) => {
            const [label, ...more] = new Set(images.map((i) => labels[i]!));
            expect(more).toEqual([]);
            expect(label).toBeGreaterThanOrEqual(0);
            // Every image once before one comes again.
            const members = labels.filter((l) => l === label).length;
            expect(new Set(images).size).toBe(Math.min(members, images.length));
            return label!;
          });
          const known = new Set(labels.filter((l) => l >= 0)).size;
          for (let round = 0; round < drawn.length; round += known) {
            const once = drawn.slice(round, round + known);
            expect(new Set(once).size).toBe(once.length);
          }
        }),
      );
    },
  );

  test("depend on the seed and the step alone", () => {
    fc.assert(
      fc.property(
        cases,
        fc.array(fc.nat(50), { maxLength: 5 }),
        ({ seed, labels, perClass, classes, step }, before) => {
          const open = () => identityOrder(seed, Int32Array.from(labels), classes * perClass, perClass);
          const order = open();
          for (const other of before) order(other);
          expect(order(step)).toEqual(open()(step));
        },
      ),
    );
    const labels = Int32Array.from({ length: 60 }, (_, i) => i % 12);
    const of = (seed: number, step: number): string => identityOrder(seed, labels, 8, 4)(step).indices.join();
    expect(new Set([of(1, 0), of(1, 1), of(2, 0), of(2, 1)]).size).toBe(4);
  });

  test("reach every image in time", () => {
    const order = identityOrder(
      5,
      Int32Array.from({ length: 40 }, (_, i) => (i < 35 ? i % 7 : -1)),
      6,
      3,
    );
    const seen = new Set(Array.from({ length: 100 }, (_, step) => [...order(step).indices]).flat());
    expect([...seen].sort((a, b) => a - b)).toEqual(Array.from({ length: 35 }, (_, i) => i));
  });

  test("that cannot be are refused", () => {
    const labels = Int32Array.of(0, 0, 1, 1, -1);
    expect(() => identityOrder(1, labels, 7, 4)).toThrow(
      "expected a batch of at least two classes of 4 images but received train.batch 7, train.perClass 4",
    );
    expect(() => identityOrder(1, Int32Array.of(3, 3, -1), 8, 4)).toThrow(
      "expected images of at least two classes to tell apart but received 1",
    );
    expect(() => identityOrder(1, new Int32Array(5).fill(-1), 8, 4)).toThrow("but received 0");
  });

  test("come to an embedder with their labels", async () => {
    const config = resolveRun({
      data: { source: "eleven" },
      model: { family: "embedder", height: 1, width: 1, channels: 1, levels: 16 },
      train: { batch: 4, perClass: 2, seed: 3 },
    });
    for (const { pixels, labels, condition } of await steps(config, labelled, 20)) {
      expect([...labels!]).toEqual(Array.from(pixels, labelOf));
      expect(labels![0]).toBe(labels![1]);
      expect(labels![2]).toBe(labels![3]);
      expect(labels![0]).not.toBe(labels![2]);
      expect(condition).toBeUndefined();
    }
    const unlabelled = datasetFromArrays({ ...shape, classes: null }, new Uint8Array(5));
    await expect(openBatches(config, unlabelled)).rejects.toThrow(
      "expected images of at least two classes to tell apart",
    );
  });
});
