/** Before and after all tests: names a folder for what the tests of the package install, and removes it. Nothing is installed until one of them asks. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    packageFolder: string;
  }
}

export default function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "pixelcnn-package-"));
  provide("packageFolder", folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
