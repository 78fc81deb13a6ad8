/**
 * Every check, one after another: types, lint, tests (unit, laws, golden, browser), build, package. Goes on after a
 * failure, so that one run tells all. Ends with the line `N passed, N failed`: each test counts one, each other check
 * counts one.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
if (process.argv.includes("--slow")) env.PIXELCNN_SLOW = "1";

let passed = 0;
let failed = 0;
const failures: string[] = [];

function check(name: string, command: string, args: string[]): boolean {
  const started = performance.now();
  process.stdout.write(`\n== ${name}\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: "inherit" });
  if (error) process.stdout.write(`${error.message}\n`);
  process.stdout.write(
    `== ${name}: ${status === 0 ? "ok" : "FAILED"} (${((performance.now() - started) / 1000).toFixed(0)} s)\n`,
  );
  return status === 0;
}

function count(name: string, ok: boolean): void {
  if (ok) passed++;
  else {
    failed++;
    failures.push(name);
  }
}

count("types", check("types", "tsc", ["-p", "."]));
count("lint and format", check("lint and format", "biome", ["check", "."]));

const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-check-"));
const report = join(scratch, "vitest.json");
const testsOk = check("tests", "vitest", [
  "run",
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
]);
try {
  interface Result {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[];
  }
  const result = JSON.parse(readFileSync(report, "utf8")) as Result;
  passed += result.numPassedTests;
  failed += result.numFailedTests;
  for (const file of result.testResults) {
    for (const test of file.assertionResults) if (test.status === "failed") failures.push(test.fullName);
    // A file that does not load has no tests to fail, and must still count.
    if (file.status === "failed" && file.assertionResults.every((t) => t.status !== "failed")) count(file.name, false);
  }
  if (!testsOk && failed === 0) count("tests", false);
} catch (error) {
  process.stdout.write(`no test report: ${String(error)}\n`);
  count("tests", false);
}
rmSync(scratch, { recursive: true, force: true });

count("build", check("build", "node", ["scripts/build.ts"]));
count("package", check("package", "publint", ["--strict"]));
count("unused code", check("unused code", "knip", []));

if (failures.length > 0) process.stdout.write(`\nfailed:\n${failures.map((f) => `  ${f}`).join("\n")}\n`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
