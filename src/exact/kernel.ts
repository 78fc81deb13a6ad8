/**
 * Makes a kernel: the WebAssembly module that scripts/build-kernel.mjs embeds, or the TypeScript reference. Both give
 * the same bits.
 */

import { fail } from "../errors.ts";
import type { Kernel, KernelName } from "./descriptions.ts";
import { kernelBase64 } from "./kernel-wasm.ts";
import { createReferenceKernel } from "./reference.ts";

/** A kernel with a memory of at least `bytes`, all zeros from FIRST_ADDRESS on. */
export function createKernel(name: KernelName, bytes: number): Kernel {
  const pages = Math.ceil(bytes / 65536);
  if (pages > 32768) {
    fail(
      "device",
      "expected at most 2 GiB of buffers for one run of the exact engine but received " +
        `${(bytes / 2 ** 30).toFixed(1)} GiB: run fewer images at a time`,
    );
  }
  return name === "reference" ? createReferenceKernel(pages * 65536) : createWasmKernel(pages);
}

/** Bytes of the WebAssembly module. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(kernelBase64), (c) => c.charCodeAt(0));
}

let compiled: WebAssembly.Module | undefined;

function createWasmKernel(pages: number): Kernel {
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new WebAssembly.Module(kernelBytes());
  } catch (cause) {
    if (cause instanceof WebAssembly.CompileError && /unsafe-eval|content security policy/i.test(cause.message))
      return fail(
        "device",
        "expected a page that may compile WebAssembly but its content security policy forbids it: add " +
          "'wasm-unsafe-eval' to script-src",
        cause,
      );
    return fail(
      "device",
      `expected WebAssembly with SIMD and ${pages / 16} MiB of memory but received ${cause}`,
      cause,
    );
  }
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  // The exports' signatures are those of kernel/index.ts; a test rebuilds the module from it.
  const functions = exports as unknown as Omit<Kernel, "name" | "memory">;
  return { ...functions, name: "wasm", memory: memory.buffer as ArrayBuffer };
}
