/**
 * The whole step on a GPU's programs, without a GPU: Debian's Chromium brings SwiftShader, a Vulkan driver in software,
 * and the loader for it. The runtime looks for both when its process starts, so the device runs in a child process that
 * is told where they are.
 */

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type ModelName, type Steps, twentySteps } from "./webgpu.test-support.ts";

const CHROMIUM = "/usr/lib/chromium";
const driver = join(CHROMIUM, "vk_swiftshader_icd.json");
const loader = join(CHROMIUM, "libvulkan.so.1");
/** A software driver takes 10 s to make ready one model's programs, so colour waits for the slow tests. */
const names: ModelName[] = process.env.PIXELCNN_SLOW ? ["grey", "colour"] : ["grey"];
const missing = [driver, loader].filter((file) => !existsSync(file));

async function onWebgpu(): Promise<{ results: Record<ModelName, Steps> } | { absent: string }> {
  const scratch = mkdtempSync(join(tmpdir(), "pixelcnn-webgpu-"));
  try {
    // Only the loader, not the rest of Chromium's libraries.
    symlinkSync(loader, join(scratch, "libvulkan.so.1"));
    const env = { ...process.env, LD_LIBRARY_PATH: scratch, VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: scratch };
    const script = fileURLToPath(new URL("./webgpu.test-support.ts", import.meta.url));
    return await new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [script, "webgpu", ...names],
        { env, timeout: 150_000, maxBuffer: 2 ** 26 },
        (error, stdout, stderr) => {
          if (!error) resolve({ results: JSON.parse(stdout) as Record<ModelName, Steps> });
          else if (/expected a working webgpu device but .*(adapter|Vulkan)/i.test(stderr))
            resolve({ absent: stderr.trim() });
          else reject(new Error(stderr || String(error), { cause: error }));
        },
      );
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

test.skipIf(missing.length > 0)(
  "20 steps on webgpu have the CPU's losses to 1e-3 " +
    `(${names.join(", ")})${missing.length > 0 ? ` (skipped: there is no ${missing.join(" and no ")})` : ""}`,
  async ({ skip }) => {
    const found = await onWebgpu();
    if ("absent" in found) return skip(`the device does not start here: ${found.absent}`);
    for (const name of names) {
      const [cpu, gpu] = [await twentySteps(name, "cpu"), found.results[name]];
      expect([cpu.device, gpu.device]).toEqual(["cpu", "webgpu"]);
      // The issue's 1e-3; they have been seen to agree to 2e-7.
      for (const key of ["losses", "norms"] as const) {
        expect(gpu[key]).toHaveLength(20);
        gpu[key].forEach((x, i) => {
          expect(
            Math.abs(x / cpu[key][i]! - 1),
            `${name}: ${key} of step ${i + 1}: ${x} and ${cpu[key][i]}`,
          ).toBeLessThan(1e-3);
        });
      }
      // Twenty steps of rate 5e-3 could carry a weight 0.1 away; one that the device forgot to move would show.
      for (const key of ["weights", "average"] as const)
        expect(Math.max(...gpu[key].map((x, i) => Math.abs(x - cpu[key][i]!)))).toBeLessThan(1e-3);
      expect(gpu.losses.at(-1)).toBeLessThan(0.95 * gpu.losses[0]!);
    }
  },
  160_000,
);
