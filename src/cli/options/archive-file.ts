/** The argument `<archive>` of commands that read one. */

import { readFile } from "node:fs/promises";
import { fail } from "../../errors.ts";

export async function readArchive(archive: string): Promise<Uint8Array> {
  return readFile(archive).catch((error: NodeJS.ErrnoException) =>
    fail(
      "io",
      error.code === "ENOENT"
        ? `expected an archive at ${archive} but there is no such file`
        : `cannot read ${archive}: ${error.message}`,
      error,
    ),
  );
}
