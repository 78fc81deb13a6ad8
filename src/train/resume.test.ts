/**
 * A run that stops and resumes is, to the bit, the run that did not: on the CPU, with any number of threads, in another
 * process.
 */

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { openModel } from "../runs/open-model.ts";
import { createRun, loadState, saveCheckpoint } from "../runs/run-folder.ts";
import { type StepEvent, type TrainEvent, train } from "./loop.ts";
import { collect, stateOf, tinyData, tinyRun } from "./resume.test-support.ts";
import type { RunState } from "./state.ts";
import { shardSize } from "./step.ts";

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-resume-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const script = fileURLToPath(new URL("./resume.test-support.ts", import.meta.url));

/** The bits of everything that training changes, save the clock. */
const bits = ({ step, weights, first, second, average }: RunState): unknown => ({
  step,
  ...Object.fromEntries(
    Object.entries({ weights, first, second, average }).map(([name, v]) => [
      name,
      Buffer.from(v.slice().buffer).toString("hex"),
    ]),
  ),
});
const figures = (events: readonly TrainEvent[]) =>
  events
    .filter((e): e is StepEvent => e.type === "step")
    .map(({ step, loss, rate, norm }) => ({ step, loss, rate, norm }));

/** Takes steps until number `stop` is done, as an interruption would. */
async function until(stop: number, threads: number, from?: RunState): Promise<RunState> {
  const stopper = new AbortController();
  let state: RunState | undefined;
  for await (const event of train({ config, data: tinyData(), threads, from, signal: stopper.signal })) {
    if (event.type === "step" && event.step === stop) stopper.abort();
    if (event.type === "checkpoint") state = event.state;
  }
  return state!;
}

const config = tinyRun({ budget: { steps: 12 } });

describe.each([1, 2])("with %i threads", (threads) => {
  test(
    "5 steps, a checkpoint, a new process and 7 steps are 12 steps: weights, moments, average, losses and " + "rates",
    async () => {
      const whole = await collect({ config, data: tinyData(), threads });
      expect(stateOf(whole).step).toBe(12);

      const folder = join(scratch, `run${threads}`);
      await createRun(folder, config);
      const half = await until(5, threads);
      expect(half.step).toBe(5);
      await saveCheckpoint(folder, config, half);
      // The file loses nothing.
      const loaded = await loadState(folder, config);
      expect(loaded).toEqual(half);

      const { stdout } = await promisify(execFile)(process.execPath, [script, folder, String(threads)], {
        timeout: 50_000,
      });
      const resumed = await loadState(folder, config);
      expect(bits(resumed)).toEqual(bits(stateOf(whole)));
      expect(JSON.parse(stdout)).toEqual(figures(whole).slice(5));
      expect(resumed.seconds).toBeGreaterThan(half.seconds);
      expect((await openModel(folder)).step).toBe(12);
    },
  );
});

test("the number of threads does not change a bit, of a step of several shards or of a resumed run", async () => {
  const side = { height: 24, width: 24 };
  const wide = tinyRun({ budget: { steps: 6 }, model: { ...side, features: 32 }, train: { batch: 16 } });
  expect(wide.train.batch / shardSize(wide.train.batch, wide.model)).toBe(4);
  const data = tinyData(11, side);
  const [one, two, three] = await Promise.all([1, 2, 3].map((threads) => collect({ config: wide, data, threads })));
  for (const more of [two!, three!]) {
    expect(bits(stateOf(more))).toEqual(bits(stateOf(one!)));
    expect(figures(more)).toEqual(figures(one!));
  }
  const mixed = await collect({ config, data: tinyData(), threads: 2, from: await until(7, 1) });
  expect(bits(stateOf(mixed))).toEqual(bits(stateOf(await collect({ config, data: tinyData(), threads: 1 }))));
});

test("where a run is cut does not matter: after any step, inside an epoch or at its end", async () => {
  const whole = bits(stateOf(await collect({ config, data: tinyData(), threads: 1 })));
  let state: RunState | undefined;
  for (const stop of [1, 2, 3, 4, 8, 11, 12]) {
    state = await until(stop, 1, state);
    expect(state.step).toBe(stop);
  }
  expect(bits(state!)).toEqual(whole);
});

test("another seed is another run", async () => {
  const other = tinyRun({ budget: { steps: 12 }, train: { seed: 2 } });
  const [a, b] = [
    await collect({ config, data: tinyData(), threads: 1 }),
    await collect({ config: other, data: tinyData(), threads: 1 }),
  ];
  expect(bits(stateOf(a))).not.toEqual(bits(stateOf(b)));
});

test("a checkpoint's files are the same bytes for the same state", async () => {
  const folder = join(scratch, "twice");
  await createRun(folder, config);
  const state = await until(3, 1);
  await saveCheckpoint(folder, config, state);
  const read = (): Buffer[] =>
    ["state.safetensors", "model.safetensors"].map((file) => readFileSync(join(folder, file)));
  const before = read();
  await saveCheckpoint(folder, config, await loadState(folder, config));
  expect(read()).toEqual(before);
});
