/** The loop as its consumers see it: what it draws, when it stops, what it says when it cannot go on. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { datasetFromArrays, datasetOf } from "../data/dataset.ts";
import { PixelcnnError } from "../errors.ts";
import { modelParameters } from "../models/families.ts";
import { countOf, flatten } from "../network/parameters.ts";
import { createRun, loadState, saveCheckpoint } from "../runs/run-folder.ts";
import { batchOrder } from "./batches.ts";
import { type TrainConfig, trainSchema } from "./config.ts";
import { averageDecayAt, progressOf, rateAt, type StepEvent, type TrainEvent, train } from "./loop.ts";
import { collect, stateOf, tinyData, tinyRun } from "./resume.test-support.ts";
import { initialState } from "./state.ts";

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-loop-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const stepsOf = (events: readonly TrainEvent[]): StepEvent[] => events.filter((e): e is StepEvent => e.type === "step");
async function failureOf(promise: Promise<unknown>): Promise<PixelcnnError> {
  const error = await promise.then(
    () => null,
    (e) => e,
  );
  expect(error).toBeInstanceOf(PixelcnnError);
  return error;
}

describe("the order of the images", () => {
  test("visits each image once an epoch, whatever the batch size, and names each draw's epoch", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90 }), (seed, images, batch) => {
        const order = batchOrder(seed, images, batch);
        const steps = Math.ceil((3 * images) / batch);
        const drawn = Array.from({ length: steps }, (_, step) => order(step));
        const indices = drawn.flatMap((d) => [...d.indices]);
        const epochs = drawn.flatMap((d) => [...d.epochs]);
        expect(epochs).toEqual(indices.map((_, at) => Math.floor(at / images)));
        for (let epoch = 0; epoch < 3; epoch++) {
          const once = indices.slice(epoch * images, (epoch + 1) * images).sort((a, b) => a - b);
          expect(once).toEqual(Array.from({ length: images }, (_, i) => i));
        }
      }),
    );
  });

  test("depends on the seed and the step alone, not on which steps were asked before", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.array(fc.nat(200), { minLength: 1, maxLength: 20 }), (seed, steps) => {
        const order = batchOrder(seed, 7, 5);
        for (const step of steps) expect(order(step)).toEqual(batchOrder(seed, 7, 5)(step));
      }),
    );
    const epochOf = (seed: number, epoch: number): string => batchOrder(seed, 50, 50)(epoch).indices.join();
    expect(new Set([epochOf(1, 0), epochOf(1, 1), epochOf(2, 0), epochOf(2, 1)]).size).toBe(4);
  });

  test(
    "is what the data set is asked for: a batch that reaches over an epoch's end draws each part in its own " + "epoch",
    async () => {
      const [images, config] = [6, tinyRun({ budget: { steps: 5 } })];
      const asked: [number, number][] = [];
      const parts = {
        name: "six",
        split: "train",
        height: 6,
        width: 5,
        channels: 1,
        levels: 2,
        length: images,
        classes: null,
      };
      const data = datasetOf({ ...parts, nameOf: String }, async (indices, _pixels, _labels, epoch) => {
        for (const index of indices) asked.push([index, epoch]);
      });
      await collect({ config, data, threads: 1 });
      const order = batchOrder(config.train.seed, images, 4);
      const expected = Array.from({ length: 5 }, (_, step) => order(step)).flatMap(({ indices, epochs }) =>
        Array.from(indices, (index, i): [number, number] => [index, epochs[i]!]),
      );
      // Step 2 holds places 4 .. 7: two images of epoch 0, two of epoch 1. One more batch was read ahead.
      expect(asked.slice(0, 20)).toEqual(expected);
      expect(expected.slice(4, 8).map(([, epoch]) => epoch)).toEqual([0, 0, 1, 1]);
      expect(asked).toHaveLength(24);
    },
  );
});

describe("schedules", () => {
  const settings = (part: Partial<TrainConfig>): TrainConfig => trainSchema.parse({ rate: 0.01, warmup: 0, ...part });

  test.each([
    [{ steps: 200 }, 0, 0, 0],
    [{ steps: 200 }, 50, 1e9, 0.25],
    [{ steps: 200 }, 201, 0, 1],
    [{ steps: 0 }, 0, 0, 1],
    [{ epochs: 2 }, 11, 0, 0.5],
    [{ epochs: 2 }, 22, 0, 1],
    [{ epochs: 0.5 }, 3, 0, 0.5],
    // Less than a step still takes one.
    [{ epochs: 0.001 }, 0, 0, 0],
    [{ epochs: 0.001 }, 1, 0, 1],
    [{ minutes: 2 }, 1e9, 30, 0.25],
    [{ minutes: 2 }, 0, 121, 1],
  ] as const)(
    "of a budget of %o, after step %i and %i s (11 steps an epoch), this part is used: %f",
    (budget, step, seconds, part) => {
      expect(progressOf(budget, step, seconds, 11)).toBe(part);
    },
  );

  test.each([
    // Warm-up: a straight line that reaches the peak at its last step.
    [{ warmup: 100, decay: "constant" }, 1, 0, 0.0001],
    [{ warmup: 100, decay: "constant" }, 50, 0.9, 0.005],
    [{ warmup: 100, decay: "constant" }, 100, 0, 0.01],
    [{ warmup: 100, decay: "constant" }, 5000, 1, 0.01],
    [{ decay: "constant" }, 1, 0, 0.01],
    // Cosine, from the peak to finalRate times it.
    [{ decay: "cosine", finalRate: 0 }, 1, 0, 0.01],
    [{ decay: "cosine", finalRate: 0 }, 7, 1 / 3, 0.0075],
    [{ decay: "cosine", finalRate: 0 }, 7, 0.5, 0.005],
    [{ decay: "cosine", finalRate: 0 }, 7, 1, 0],
    [{ decay: "cosine", finalRate: 0.2 }, 7, 0.5, 0.006],
    [{ decay: "cosine", finalRate: 0.2 }, 7, 1, 0.002],
    [{ decay: "cosine", finalRate: 0.2, warmup: 10 }, 5, 0.5, 0.003],
    [{ decay: "cooldown", finalRate: 0, cooldown: 0.4, warmup: 0 }, 1, 0.6, 0.01],
    [{ decay: "cooldown", finalRate: 0, cooldown: 0.4, warmup: 0 }, 1, 0.8, 0.005],
    [{ decay: "cooldown", finalRate: 0.2, cooldown: 1, warmup: 0 }, 1, 0.5, 0.006],
    [{ decay: "cooldown", finalRate: 0.2, cooldown: 0.4, warmup: 0 }, 1, 1, 0.002],
  ] as const)("with %o the rate of step %i at progress %d is %d", (part, t, progress, rate) => {
    expect(rateAt(settings(part), t, progress)).toBeCloseTo(rate, 12);
  });

  test.each([
    [1, 1 / 11],
    [10, 0.5],
    [90, 0.9],
    [9990, 0.999],
    [100_000, 0.999],
  ])("the average of weights keeps this much of itself at step %i: %d", (t, kept) => {
    expect(averageDecayAt(settings({ average: 0.999 }), t)).toBeCloseTo(kept, 12);
    expect(averageDecayAt(settings({ average: 0 }), t)).toBe(0);
  });

  test(
    "a budget of epochs ends at the nearest step, and of minutes when they are over; the last event is a last " +
      "checkpoint",
    async () => {
      // 11 images in batches of 4: 2.75 steps an epoch.
      const epochs = await collect({ config: tinyRun({ budget: { epochs: 2 } }), data: tinyData(), threads: 1 });
      expect(epochs.at(-1)).toMatchObject({ type: "checkpoint", last: true, state: { step: 6 } });
      const minutes = await collect({ config: tinyRun({ budget: { minutes: 0.003 } }), data: tinyData(), threads: 1 });
      expect(minutes.at(-1)).toMatchObject({ type: "checkpoint", last: true });
      expect(stateOf(minutes).seconds).toBeGreaterThanOrEqual(0.18);
      const nothing = await collect({ config: tinyRun({ budget: { steps: 0 } }), data: tinyData(), threads: 1 });
      expect(nothing.map((e) => e.type)).toEqual(["start", "checkpoint"]);
    },
  );
});

describe("a run", () => {
  test("starts at the uniform guess and learns: stripes fall from 30 ln 2 nats towards their noise", async () => {
    const config = tinyRun({ budget: { steps: 80 } });
    const data = tinyData(32);
    const events = await collect({ config, data, threads: 1 });
    const steps = stepsOf(events);
    expect(events[0]).toEqual({
      type: "start",
      step: 0,
      parameters: countOf(modelParameters(config.model)),
      images: 32,
      device: "cpu",
      threads: 1,
    });
    expect(steps.map((e) => e.step)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    // Logits start at exactly 0; what is left is the rounding of a sum of 30 float32 numbers.
    expect(steps[0]!.loss).toBeCloseTo(30 * Math.LN2, 4);
    expect(steps[0]!.bitsPerDim).toBeCloseTo(1, 5);
    // A pixel is its stripe's with probability 220/255 or 225/255: no model is below 11.4 nats per image.
    const late = steps.slice(-10).reduce((sum, e) => sum + e.loss / 10, 0);
    expect(late).toBeLessThan(14.5);
    expect(late).toBeGreaterThan(10);
  });

  test("counts epochs and progress, and gives each step's rate and speed", async () => {
    const config = tinyRun({ budget: { steps: 10 } });
    const steps = stepsOf(await collect({ config, data: tinyData(), threads: 1 }));
    steps.forEach((e, i) => {
      expect(e.epoch).toBeCloseTo(((i + 1) * 4) / 11, 12);
      expect(e.progress).toBeCloseTo((i + 1) / 10, 12);
      expect(e.rate).toBe(rateAt(config.train, i + 1, i / 10));
      expect(e.bitsPerDim).toBeCloseTo(e.loss / 30 / Math.LN2, 12);
      expect(e.seconds).toBeGreaterThan(steps[i - 1]?.seconds ?? 0);
      expect(e.imagesPerSecond).toBeGreaterThan(0);
    });
  });

  test("its clock stands still while the consumer works", async () => {
    const config = tinyRun({ budget: { steps: 8 }, train: { checkpointMinutes: 1e-9 } });
    const began = performance.now();
    let waited = 0;
    let seconds = 0;
    for await (const event of train({ config, data: tinyData(), threads: 1 })) {
      if (event.type === "step") seconds = event.seconds;
      const before = performance.now();
      await wait(40);
      waited += performance.now() - before;
    }
    expect(waited).toBeGreaterThan(600);
    expect(seconds).toBeLessThan((performance.now() - began - waited) / 1000);
  });

  test("offers a checkpoint when its minutes are over, of the averaged weights at that step", async () => {
    const config = tinyRun({ budget: { steps: 5 }, train: { checkpointMinutes: 1e-9 } });
    const events = await collect({ config, data: tinyData(), threads: 1 });
    expect(events.map((e) => e.type)).toEqual(["start", ...Array(5).fill(["step", "checkpoint"]).flat()]);
    const checkpoints = events.filter((e) => e.type === "checkpoint");
    expect(checkpoints.map((e) => [e.state.step, e.last])).toEqual([1, 2, 3, 4, 5].map((step) => [step, step === 5]));
    for (const { state, model } of checkpoints)
      expect(flatten(modelParameters(config.model), model.parameters)).toEqual(state.average);
    // Later steps do not write into an earlier checkpoint.
    expect(checkpoints[0]!.state.weights).not.toEqual(checkpoints[1]!.state.weights);
  });

  test("ends on a signal after the step in progress, with a checkpoint that is not the last", async () => {
    const stopper = new AbortController();
    const events: TrainEvent[] = [];
    for await (const event of train({
      config: tinyRun({ budget: { steps: 1000 } }),
      data: tinyData(),
      threads: 1,
      signal: stopper.signal,
    })) {
      events.push(event);
      if (event.type === "step" && event.step === 3) stopper.abort();
    }
    expect(events.map((e) => e.type)).toEqual(["start", "step", "step", "step", "checkpoint"]);
    expect(events.at(-1)).toMatchObject({ last: false, state: { step: 3 } });
    const early = await collect({
      config: tinyRun({ budget: { steps: 9 } }),
      data: tinyData(),
      threads: 1,
      signal: AbortSignal.abort(),
    });
    expect(early.map((e) => e.type)).toEqual(["start", "checkpoint"]);
    expect(stateOf(early)).toEqual(initialState(tinyRun({ budget: { steps: 9 } })));
  });

  test("ends its workers when the consumer leaves early", async () => {
    const workers: Worker[] = [];
    const add = (worker: Worker): void => void workers.push(worker);
    process.on("worker", add);
    try {
      for await (const event of train({ config: tinyRun({ budget: { steps: 1000 } }), data: tinyData(), threads: 2 })) {
        if (event.type === "start") expect(workers.filter((worker) => worker.threadId > 0)).toHaveLength(2);
        if (event.type === "step") break;
      }
    } finally {
      process.off("worker", add);
    }
    // Node gives a worker that has ended the number -1.
    expect(workers.map((worker) => worker.threadId)).toEqual([-1, -1]);
  });
});

describe("a run that cannot go on", () => {
  test("diverged: says at which step, why and what to try, and leaves the checkpoint as it was", async () => {
    const folder = join(scratch, "diverged");
    const calm = tinyRun({ budget: { steps: 4 } });
    await createRun(folder, calm);
    await saveCheckpoint(folder, calm, stateOf(await collect({ config: calm, data: tinyData(), threads: 1 })));
    const before = readFileSync(join(folder, "state.safetensors"));

    const wild = tinyRun({ budget: { steps: 200 }, train: { rate: 1, warmup: 0, clip: 0, checkpointMinutes: 1000 } });
    const from = await loadState(folder, wild);
    const events: TrainEvent[] = [];
    const error = await failureOf(
      (async () => {
        for await (const event of train({ config: wild, data: tinyData(), threads: 1, from })) {
          events.push(event);
          if (event.type === "checkpoint") await saveCheckpoint(folder, wild, event.state);
        }
      })(),
    );
    const step = (stepsOf(events).at(-1)?.step ?? 4) + 1;
    expect(error.kind).toBe("diverged");
    expect(error.message).toMatch(
      new RegExp(
        `^training diverged at step ${step}: the loss is (\\d+\\.\\d nats an image, far above a uniform guess|not a ` +
          "number)\\. The last checkpoint is whole\\. " +
          "Try a lower rate \\(--set train\\.rate=\\.\\.\\.\\), a longer warm-up \\(train\\.warmup\\) or a smaller " +
          "clip \\(train\\.clip\\)$",
      ),
    );
    expect(readFileSync(join(folder, "state.safetensors"))).toEqual(before);
    expect((await loadState(folder, calm)).step).toBe(4);
  });

  test("weights that are not a number are found at once", async () => {
    const config = tinyRun({ budget: { steps: 5 } });
    const from = initialState(config);
    from.weights[0] = Number.NaN;
    const { kind, message } = await failureOf(collect({ config, data: tinyData(), threads: 1, from }));
    expect(kind).toBe("diverged");
    expect(message).toMatch(/^training diverged at step 1: the loss is not a number\. /);
  });

  test.each([
    [
      "height",
      { height: 5, width: 5, channels: 1, levels: 2 },
      "expected images of height 6, as the model's config says, but odd has height 5",
    ],
    [
      "width",
      { height: 6, width: 6, channels: 1, levels: 2 },
      "expected images of width 5, as the model's config says, but odd has width 6",
    ],
    [
      "channels",
      { height: 6, width: 5, channels: 3, levels: 2 },
      "expected images of channels 1, as the model's config says, but odd has channels 3",
    ],
    [
      "levels",
      { height: 6, width: 5, channels: 1, levels: 8 },
      "expected images of levels 2, as the model's config says, but odd has levels 8",
    ],
  ])("data of another %s than the config's is refused by name", async (_, shape, words) => {
    const size = shape.height * shape.width * shape.channels;
    const data = datasetFromArrays({ name: "odd", split: "train", classes: null, ...shape }, new Uint8Array(4 * size));
    const { kind, message } = await failureOf(collect({ config: tinyRun({ budget: { steps: 1 } }), data, threads: 1 }));
    expect([kind, message]).toEqual(["usage", words]);
  });

  test("no images are refused", async () => {
    const shape = { height: 6, width: 5, channels: 1, levels: 2 };
    const data = datasetFromArrays({ name: "empty", split: "train", classes: null, ...shape }, new Uint8Array(0));
    const { kind, message } = await failureOf(collect({ config: tinyRun({ budget: { steps: 1 } }), data, threads: 1 }));
    expect([kind, message]).toEqual(["data", "expected at least one image to train on but empty has none"]);
  });

  test("an image that cannot be read stops the run at the step that needs it, in the reader's words", async () => {
    const parts = {
      name: "worn",
      split: "train",
      height: 6,
      width: 5,
      channels: 1,
      levels: 2,
      length: 12,
      classes: null,
    };
    const config = tinyRun({ budget: { steps: 9 } });
    const bad = batchOrder(config.train.seed, 12, 4)(2).indices[1]!;
    const data = datasetOf({ ...parts, nameOf: (i) => `scan${i}.png` }, async (indices) => {
      if (indices.includes(bad)) throw new PixelcnnError("data", `cannot read scan${bad}.png`);
    });
    const events: TrainEvent[] = [];
    const error = await failureOf(
      (async () => {
        for await (const event of train({ config, data, threads: 1 })) events.push(event);
      })(),
    );
    expect([error.kind, error.message]).toEqual(["data", `cannot read scan${bad}.png`]);
    expect(events.map((e) => e.type)).toEqual(["start", "step", "step"]);
  });
});
