import { expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "./nearest.ts";
import { configKeys } from "./runs/draft.ts";

test("a letter added, dropped, changed or swapped counts one", () => {
  expect([
    editDistance("rate", "ratte"),
    editDistance("rate", "rte"),
    editDistance("rate", "rave"),
    editDistance("rate", "rtae"),
    editDistance("", "abc"),
  ]).toEqual([1, 1, 1, 1, 3]);
});

test("the nearest word, by typing mistakes, by its beginning, or by the last part of a key", () => {
  const words = ["preset", "threads", "eval-limit", "resume"];
  expect(["perset", "thread", "eval", "resmue", "xyzzy"].map((word) => nearest(word, words))).toEqual([
    "preset",
    "threads",
    "eval-limit",
    "resume",
    null,
  ]);
  expect(
    ["rate", "model.dept", "train.checkpointminutes", "budget.steps"].map((key) => nearest(key, configKeys)),
  ).toEqual(["train.rate", "model.depth", "train.checkpointMinutes", "train.budget.steps"]);
  expect(didYouMean("resmue", words, "--")).toBe("; did you mean --resume?");
  expect(didYouMean("xyzzy", words)).toBe("");
});

test("every field of a config is a key, the parts of a field too", () => {
  for (const key of [
    "data.binarise",
    "model.head.features",
    "model.condition.size",
    "train.budget.minutes",
    "train.rate",
  ])
    expect(configKeys).toContain(key);
});
