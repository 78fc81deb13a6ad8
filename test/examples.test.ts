/** Each example runs from the command line and prints what it promises. */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = (...args: string[]): string => {
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
};

test("train-and-sample goes from images to a model and through all that a model does", () => {
  const printed = run("examples/train-and-sample.ts", "mnist", "0.1");
  expect(Number(/([\d.]+) bits\/dim/.exec(printed)?.[1])).toBeLessThan(8); // an untrained model says 8
  expect(printed).toContain("16 samples and 1 completion of 28x28 pixels");
  expect(printed).toMatch(/three test images are \d+ bytes/);
}, 60_000);

test("differentiate's loss falls", () => {
  const losses = [...run("examples/differentiate.ts").matchAll(/loss ([\d.]+)/g)].map((m) => Number(m[1]));
  expect(losses).toHaveLength(5);
  for (let i = 1; i < losses.length; i++) expect(losses[i]!).toBeLessThan(losses[i - 1]!);
});
