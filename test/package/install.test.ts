/**
 * The tarball, installed in an empty folder with no settings, works in Node at once: every door, samples, archives,
 * training; with the native runtime and without.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createEngine, openModel } from "../../src/index.ts";
import { install, nodes, root, strangersEnvironment } from "./installed.ts";

const installed = await install();
const reason = typeof installed === "string" ? installed : undefined;
const { plain, native, withoutNative, seconds, bytes, printed } = installed as Exclude<typeof installed, string>;
const plainHasNative = reason === undefined && existsSync(join(plain, "node_modules", "onnxruntime-node"));

const WARNING =
  "pixelcnn: onnxruntime-node cannot be loaded here, so ONNX Runtime's WebAssembly build computes in its place, " +
  "several times slower. If it is not installed: npm install --ignore-scripts onnxruntime-node\n";

interface Used {
  readonly doors: Readonly<Record<string, number>>;
  readonly hash: string;
  readonly archive: number;
  readonly restored: number;
  readonly same: boolean;
  readonly losses: readonly number[];
  readonly nats: number;
  readonly runtime: "native" | "wasm";
}

/** Runs the stranger's program in an installed folder. */
function use(folder: string, node: string): { used: Used; stderr: string } {
  writeFileSync(join(folder, "use.mjs"), "");
  copyFileSync(join(root, "test", "package", "consumer", "use.js"), join(folder, "use.mjs"));
  const { stdout, stderr, status } = spawnSync(node, ["use.mjs"], {
    cwd: folder,
    env: strangersEnvironment(),
    encoding: "utf8",
    timeout: 60_000,
  });
  expect(stderr.replace(WARNING, "")).toBe("");
  expect(status).toBe(0);
  return { used: JSON.parse(stdout) as Used, stderr };
}

const engine = createEngine(await openModel("mnist"));
const expected = createHash("sha256")
  .update((await engine.sample({ count: 2, seed: 7 })).pixels)
  .digest("hex");

/** What each program must have seen, whatever computed. */
function check(used: Used): void {
  expect(used.hash).toBe(expected);
  expect(used).toMatchObject({ restored: 3, same: true });
  for (const count of Object.values(used.doors)) expect(count).toBeGreaterThan(20);
  expect(used.losses).toHaveLength(5);
  expect(used.losses[4]!).toBeLessThan(used.losses[0]!);
  expect(used.nats).toBeGreaterThan(0);
}

describe.skipIf(reason)(`the tarball${reason ? ` (skipped: ${reason})` : ""}`, () => {
  test("installs without flags and with --ignore-scripts --offline, and holds no test and no source", () => {
    console.log(
      `tarball ${(bytes / 1e6).toFixed(1)} MB; npm install ${seconds.plain.toFixed(1)} s, ` +
        `from the cache without scripts ${seconds.native.toFixed(1)} s; plain install has the native runtime: ` +
        `${plainHasNative}`,
    );
    expect(printed).not.toMatch(/npm error/);
    for (const folder of [plain, native]) {
      const own = join(folder, "node_modules", "pixelcnn");
      expect(existsSync(join(own, "dist", "index.js"))).toBe(true);
      expect(existsSync(join(own, "models", "mnist", "model.safetensors"))).toBe(true);
      for (const left of ["src", "test", "dist/index.test.js"]) expect(existsSync(join(own, left))).toBe(false);
    }
    expect(existsSync(join(native, "node_modules", "onnxruntime-node"))).toBe(true);
  });

  for (const { version, path } of nodes()) {
    describe(`in Node ${version}`, () => {
      test("installed plainly it samples, compresses and trains at once, on whichever runtime npm left there", () => {
        const { used, stderr } = use(plain, path);
        check(used);
        expect(used.runtime).toBe(plainHasNative ? "native" : "wasm");
        expect(stderr).toBe(plainHasNative ? "" : WARNING);
        console.log(`Node ${version}, npm install: runtime ${used.runtime}`);
      }, 60_000);

      test("installed with --ignore-scripts it runs on the native runtime and says nothing", () => {
        const { used, stderr } = use(native, path);
        check(used);
        expect(used.runtime).toBe("native");
        expect(stderr).toBe("");
      }, 60_000);

      const already = !plainHasNative ? " (skipped: shown by the plain install, which has none here)" : "";
      const claim = "without the native runtime it trains and measures on WebAssembly, and says so in one line";
      test.skipIf(already)(
        `${claim}${already}`,
        () => {
          const { used, stderr } = use(withoutNative, path);
          check(used);
          expect(used.runtime).toBe("wasm");
          expect(stderr).toBe(WARNING);
        },
        60_000,
      );
    });
  }

  test("without the native runtime a GPU is an error that says what is missing", () => {
    const program = `
      import { datasetFromArrays, trainModel } from "pixelcnn";
      const options = { name: "grey", split: "train", height: 4, width: 4, channels: 1, levels: 4, classes: null };
      const data = datasetFromArrays(options, new Uint8Array(32 * 16));
      await trainModel({ data, steps: 1, device: "webgpu" }).catch((error) => console.log(error.kind, error.message));
    `;
    writeFileSync(join(withoutNative, "gpu.mjs"), program);
    const { stdout, stderr } = spawnSync(process.execPath, ["gpu.mjs"], { cwd: withoutNative, encoding: "utf8" });
    expect(stdout).toBe("device expected onnxruntime-node for the webgpu device but it cannot be loaded here\n");
    expect(stderr).toBe("");
  });

  test("the command line of the package samples", () => {
    const command = join(native, "node_modules", ".bin", "pixelcnn");
    const { status, stderr } = spawnSync(command, ["sample", "mnist", "--count", "1", "--out", "one.png"], {
      cwd: native,
      env: strangersEnvironment(),
      encoding: "utf8",
    });
    expect(stderr).not.toMatch(/error/i);
    expect(status).toBe(0);
    expect(existsSync(join(native, "one.png"))).toBe(true);
  });
});
