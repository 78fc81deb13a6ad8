/**
 * The pure parts of bench/paper.ts: parameter counts that agree, what is left to do in a run's folder, and the table.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chartOf } from "../bench/paper/chart.ts";
import { checkCounts, chosenFamilies, FAMILIES, parametersOf } from "../bench/paper/families.ts";
import { checkSame, finalTest, type RunRecord, readRecord, workLeft } from "../bench/paper/run-record.ts";
import { markdownOf, rowOf } from "../bench/paper/table.ts";
import { resolveRun } from "../src/train/config.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bench-paper-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const evaluation = (step: number, seconds: number, images: number, nats: number): object => ({
  type: "evaluation",
  step,
  seconds,
  kind: "likelihood",
  images,
  nats,
  standardError: 0.25,
});
const CHECKPOINTS = [
  { type: "start", step: 0, parameters: 168322 },
  { type: "checkpoint", step: 10, seconds: 30, last: false },
  evaluation(10, 30, 1000, 120),
];
const END = [...CHECKPOINTS, { type: "checkpoint", step: 20, seconds: 60, last: true }];
const TESTED = [...END, evaluation(20, 60, 10_000, 99.5)];

/** The record of a run's folder with this log, and half a line of a process that was killed. */
async function recordOf(log: readonly object[]): Promise<RunRecord> {
  const model = { height: 28, width: 28, channels: 1, levels: 2, features: 32 };
  const config = resolveRun({ data: { source: "mnist" }, model, train: { seed: 1, budget: { steps: 20 } } });
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  await writeFile(join(folder, "log.jsonl"), `${log.map((entry) => `${JSON.stringify(entry)}\n`).join("")}{"type":"ch`);
  return (await readRecord(folder))!;
}

test("the four families have parameter counts within 3 %", async () => {
  const counts = new Map<string, number>();
  for (const family of FAMILIES) counts.set(family.name, await parametersOf(family));
  expect(Object.fromEntries(counts)).toEqual({
    gated: 168322,
    plain: 167994,
    "row-lstm": 165386,
    "diagonal-bilstm": 166544,
  });
  checkCounts(counts);
});

test("counts that differ by more than 3 % are refused, with all of them named", () => {
  checkCounts(
    new Map([
      ["a", 1000],
      ["b", 1030],
    ]),
  );
  expect(() =>
    checkCounts(
      new Map([
        ["a", 1000],
        ["b", 1031],
      ]),
    ),
  ).toThrow(
    "expected parameter counts within 3 % of each other for the families but received a 1000, b 1031, which " +
      "differ by 3.1 %",
  );
});

test("--only keeps the order of the families, and refuses a name that none has", () => {
  expect(chosenFamilies("row-lstm, gated").map(({ name }) => name)).toEqual(["gated", "row-lstm"]);
  expect(() => chosenFamilies("gated,lstm")).toThrow(
    'expected some of gated, plain, row-lstm, diagonal-bilstm for --only but received "lstm"',
  );
});

test("a run begins, goes on, is tested, or is finished, by what its folder holds", async () => {
  expect(workLeft(await readRecord(join(folder, "none")), 1)).toBe("start");
  expect(workLeft(await recordOf([]), 1)).toBe("resume");
  // Tested on enough images, but not trained to its end.
  expect(workLeft(await recordOf(CHECKPOINTS), 1000)).toBe("resume");
  // Trained, but stopped before its last test.
  expect(workLeft(await recordOf(END), 1000)).toBe("resume");
  const tested = await recordOf(TESTED);
  expect(workLeft(tested, 10_000)).toBe("none");
  expect(workLeft(tested, 10_001)).toBe("resume");
  expect(finalTest(tested)).toEqual({ step: 20, seconds: 60, images: 10_000, nats: 99.5, standardError: 0.25 });
});

test("a run with another budget, seed or width is not gone on with", async () => {
  const record = await recordOf(CHECKPOINTS);
  const asked = { budget: { steps: 20 }, seed: 1, settings: ["model.features=32"] };
  checkSame("here", record, asked);
  expect(() => checkSame("here", record, { ...asked, budget: { steps: 30 } })).toThrow(
    'expected train.budget {"steps":20}, as the run in here has, but received {"steps":30}',
  );
  expect(() => checkSame("here", record, { ...asked, seed: 2 })).toThrow("expected train.seed 1");
  expect(() => checkSame("here", record, { ...asked, settings: ["model.features=48"] })).toThrow(
    "expected model.features 32",
  );
});

test("the table has the run's figures, and says which run is not finished", async () => {
  const finished = rowOf("steps", "Gated PixelCNN", await recordOf(TESTED), 12.34);
  const unfinished = rowOf("time", "Row LSTM", await recordOf(END), null);
  const lines = markdownOf([finished, unfinished])
    .split("\n")
    .map((line) => line.replace(/ +/g, " "));
  expect(lines).toContain("| Gated PixelCNN | 168,322 | 20 | 3000.0 | 1.00 | 99.50 ± 0.25 | 10,000 | 12.3 |");
  // The test of an earlier checkpoint is not that of the end.
  expect(lines).toContain("| Row LSTM | 168,322 | 20 | 3000.0 | 1.00 | - | - | - |");
  const early = rowOf("time", "Row LSTM", await recordOf(CHECKPOINTS), null);
  expect(markdownOf([early])).toContain("| Row LSTM (not finished) |");
});

test("the chart draws one line a run, and the test on more images as a ring beside it", async () => {
  const { tests } = await recordOf([...END, evaluation(20, 60, 1000, 98), evaluation(20, 60, 10_000, 99.5)]);
  const chart = chartOf([{ part: "time", title: "Row LSTM", tests }], ["Gated PixelCNN", "Row LSTM"]);
  expect(chart.match(/<path d="M[-\d. ]+L[-\d. ]+" fill="none" stroke-width="2"\/>/g)).toHaveLength(2);
  expect(chart.match(/r="4.5" fill="#fff" stroke="#d55e00"/g)).toHaveLength(2);
  expect(chart).toContain("The same runs");
  expect(chart).not.toContain("NaN");
  // A run whose only test is that of its end, beside one that was also tested on fewer images.
  const short = { part: "steps", title: "Gated PixelCNN", tests: tests.slice(-1) } as const;
  const both = chartOf([short, { part: "time", title: "Row LSTM", tests }], ["Gated PixelCNN", "Row LSTM"]);
  expect(both.match(/r="4.5" fill="#fff" stroke="#0072b2"/g)).toHaveLength(1);
  expect(both.match(/fill="none" stroke-width="2"/g)).toHaveLength(1);
});
