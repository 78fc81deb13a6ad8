/** The committed WebAssembly is what kernel/ compiles to, and holds only deterministic instructions. */

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { FIRST_ADDRESS } from "./descriptions.ts";
import { createKernel, kernelBytes } from "./kernel.ts";
import { listInstructions } from "./wasm-instructions.test-support.ts";

test("kernel-wasm.ts holds the bytes that kernel/ compiles to", () => {
  const script = fileURLToPath(new URL("../../scripts/build-kernel.mjs", import.meta.url));
  // Throws, with the script's words, unless it exits with 0.
  execFileSync(process.execPath, [script, "--check"], { stdio: "pipe" });
}, 60_000);

test("no instruction of the kernel is relaxed SIMD", () => {
  const instructions = listInstructions(kernelBytes());
  const simd = instructions.filter(({ prefix }) => prefix === 0xfd);
  expect(simd.length).toBeGreaterThan(100); // it does use SIMD, so the walk did see the code
  expect(simd.filter(({ opcode }) => opcode >= 0x100)).toEqual([]);
});

test("a relaxed-SIMD instruction would be found", () => {
  // (func (result v128) v128.const 0, v128.const 0, v128.const 0, f32x4.relaxed_madd)
  const constant = [0xfd, 12, ...new Array(16).fill(0)];
  const body = [0, ...constant, ...constant, ...constant, 0xfd, 0x85, 0x02, 0x0b];
  const code = [10, body.length + 2, 1, body.length, ...body];
  const bytes = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...code);
  expect(listInstructions(bytes).at(-2)).toEqual({ prefix: 0xfd, opcode: 0x105 });
});

test("the kernel's constants end below the first address given out", () => {
  const { memory } = createKernel("wasm", 1 << 16);
  expect(new Uint8Array(memory).findLastIndex((byte) => byte !== 0)).toBeLessThan(FIRST_ADDRESS);
});

test("more memory than 2 GiB is refused with the remedy", () => {
  expect(() => createKernel("wasm", 3 * 2 ** 30)).toThrow(
    "expected at most 2 GiB of buffers for one run of the exact engine but received 3.0 GiB: run fewer images at a " +
      "time",
  );
});

test("a page whose policy forbids WebAssembly is told the directive that allows it", async () => {
  vi.resetModules();
  // As Chromium says it.
  const said =
    "WebAssembly.Module(): Refused to compile or instantiate WebAssembly module because 'unsafe-eval' is not";
  const module = vi.spyOn(WebAssembly, "Module").mockImplementation(function refuse() {
    throw new WebAssembly.CompileError(said);
  });
  const fresh = await import("./kernel.ts");
  expect(() => fresh.createKernel("wasm", 16)).toThrow(
    "expected a page that may compile WebAssembly but its content security policy forbids it: add 'wasm-unsafe-eval' to " +
      "script-src",
  );
  module.mockRestore();
});
