/** An archive as a file on the disk. */

import { existsSync, statSync } from "node:fs";
import { readStart as readPxcStart } from "../codec/container.ts";
import { readStart } from "../data/files.ts";
import { readOrFail } from "./run-folder.ts";

export const readArchive = (archive: string): Promise<Uint8Array> =>
  readOrFail(archive, `expected an archive at ${archive} but there is no such file`);

/** Whether a path is an archive's, by its name, or else by the file's first bytes. */
export async function isArchive(path: string): Promise<boolean> {
  if (/\.pxc$/i.test(path)) return true;
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  try {
    readPxcStart(await readStart(path, 6));
    return true;
  } catch {
    return false;
  }
}
