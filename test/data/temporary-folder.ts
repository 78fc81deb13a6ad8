/** A fresh folder for a test file's fixtures, removed after its tests; and the writing of a file, folders included. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";

export function temporaryFolder(): { path: string; write: (name: string, content: Uint8Array | string) => string } {
  const path = mkdtempSync(join(tmpdir(), "pixelcnn-data-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    write(name, content) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
  };
}
