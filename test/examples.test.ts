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

test("train-and-sample learns something and draws", () => {
  const printed = run("examples/train-and-sample.ts", "100");
  const bits = Number(/([\d.]+) bits\/dim\n.*\n/.exec(printed.slice(printed.indexOf("test:")))?.[1]);
  expect(bits).toBeLessThan(0.6); // an untrained model says 1
  expect(printed.split("\n").filter((line) => line.includes("#")).length).toBeGreaterThan(5);
}, 60_000);

test("differentiate's loss falls", () => {
  const losses = [...run("examples/differentiate.ts").matchAll(/loss ([\d.]+)/g)].map((m) => Number(m[1]));
  expect(losses).toHaveLength(5);
  for (let i = 1; i < losses.length; i++) expect(losses[i]!).toBeLessThan(losses[i - 1]!);
});
