/** The model inside an archive, opened: its checksum holds, and its digest is the one that the archive asks for. */

import { fail, PixelcnnError } from "../errors.ts";
import { within } from "./codec.ts";
import { readHeader, readStart } from "./container.ts";
import { hex } from "./digest.ts";
import { findModelSection, readModelSection } from "./model-section.ts";
import { readStoredModel, type StoredModel, storedDigest } from "./stored-model.ts";

/**
 * The model inside an archive, to decompress it, or to sample and to score with; null for an archive that holds none.
 * Fails with "corrupt" for a damaged one.
 */
export async function archiveModel(bytes: Uint8Array): Promise<StoredModel | null> {
  // A file of one image has no header of this kind.
  if (readStart(bytes).flags & 1) return null;
  const { digest, model: place } = readHeader(bytes);
  if (!place) return null;
  const model = within("the model inside", () => readStoredModel(readModelSection(bytes, place)));
  const found = await storedDigest(model);
  if (hex(found) !== hex(digest))
    fail("corrupt", `expected the model ${hex(digest)}, which coded this archive, inside it but found ${hex(found)}`);
  return model;
}

/** The model inside an archive whose header is damaged; null where none is whole. */
export function salvageModel(bytes: Uint8Array): StoredModel | null {
  const place = findModelSection(bytes);
  try {
    return place ? readStoredModel(readModelSection(bytes, place)) : null;
  } catch (error) {
    if (error instanceof PixelcnnError && error.kind === "corrupt") return null;
    throw error;
  }
}
