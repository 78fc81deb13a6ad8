/** The native runtime's telemetry is off: it leaves no file in the user's cache folder. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const graph = fileURLToPath(new URL("../graph.ts", import.meta.url));

test("a pool and a session leave nothing in an empty home folder", () => {
  const home = mkdtempSync(join(tmpdir(), "pixelcnn-home-"));
  const code = `
    const { compile, Graph, openPool, openSession, ops, tensor } = await import(${JSON.stringify(graph)});
    const graph = new Graph("copy");
    graph.output("y", ops.relu(graph.input("x", "float32", [1])));
    for (const open of [openPool, openSession]) {
      const session = await open(compile(graph), { threads: 1 });
      await session.run({ x: tensor("float32", [1], Float32Array.of(1)) });
      await session.close();
    }`;
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  const script = join(mkdtempSync(join(tmpdir(), "pixelcnn-script-")), "run.mjs");
  writeFileSync(script, code);
  const run = spawnSync(process.execPath, [script], {
    env: { ...env, HOME: home, XDG_CACHE_HOME: join(home, "cache") },
    encoding: "utf8",
  });
  expect(run.status, run.stderr).toBe(0);
  expect(readdirSync(home, { recursive: true })).toEqual([]);
  for (const folder of [home, dirname(script)]) rmSync(folder, { recursive: true });
});
