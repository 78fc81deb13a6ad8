/** An archive as a file on the disk. */

import { existsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { readStart } from "../codec/container.ts";
import { readOrFail } from "./run-folder.ts";

export const readArchive = (archive: string): Promise<Uint8Array> =>
  readOrFail(archive, `expected an archive at ${archive} but there is no such file`);

/** Whether a path is an archive's, by its name, or else by the file's first bytes. */
export async function isArchive(path: string): Promise<boolean> {
  if (/\.pxc$/i.test(path)) return true;
  if (!existsSync(path) || !statSync(path).isFile()) return false;
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(6), 0, 6, 0);
    readStart(buffer.subarray(0, bytesRead));
    return true;
  } catch {
    return false;
  } finally {
    await file.close();
  }
}
