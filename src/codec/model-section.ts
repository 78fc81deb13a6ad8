/**
 * The part of an archive that holds its model (stored-model.ts says how): marker, length, checksum, bytes. The header
 * knows where it is; its own length and checksum let it be found where the header is damaged.
 */

import { ByteReader, ByteWriter } from "./bytes.ts";
import { crc32 } from "./crc32.ts";

/** Where a section is. */
export interface SectionPlace {
  readonly offset: number;
  /** From its marker to its end. */
  readonly length: number;
}

const MARKER = 0xa7;
const HEAD = 9;
/** How often the bytes of a file with a damaged header are read while a section is looked for, at most. */
const SCAN_EFFORT = 16;

export function writeModelSection(model: Uint8Array): Uint8Array {
  const length = new ByteWriter().u32(model.length).finish();
  const crc = crc32(model, crc32(length));
  return new ByteWriter().byte(MARKER).raw(length).u32(crc).raw(model).finish();
}

/** The model's bytes, not copied, their checksum verified. */
export function readModelSection(bytes: Uint8Array, { offset, length }: SectionPlace): Uint8Array {
  const reader = new ByteReader(bytes, offset);
  reader.need(length, "the model inside");
  const marker = reader.byte("the marker of the model inside");
  if (marker !== MARKER) reader.fail(offset, "the marker of the model inside", String(MARKER), String(marker));
  const lengthBytes = reader.raw(4, "the length of the model inside");
  const found = new ByteReader(lengthBytes).u32("the length of the model inside");
  if (found !== length - HEAD)
    reader.fail(offset + 1, "the length of the model inside", String(length - HEAD), String(found));
  const crc = reader.u32("the CRC-32 of the model inside");
  const model = reader.raw(found, "the model inside");
  const actual = crc32(model, crc32(lengthBytes));
  if (actual !== crc)
    reader.fail(offset + 5, "the bytes of the model inside", `CRC-32 ${crc.toString(16)}`, actual.toString(16));
  return model;
}

/** The first whole section of a file whose header is damaged; undefined without one. */
export function findModelSection(bytes: Uint8Array): SectionPlace | undefined {
  let effort = SCAN_EFFORT * bytes.length;
  for (let offset = bytes.indexOf(MARKER); offset >= 0 && effort > 0; offset = bytes.indexOf(MARKER, offset + 1)) {
    if (bytes.length - offset < HEAD) return undefined;
    const length = HEAD + new ByteReader(bytes, offset + 1).u32("a length");
    if (length > bytes.length - offset) continue;
    effort -= length;
    try {
      readModelSection(bytes, { offset, length });
      return { offset, length };
    } catch {
      // Another byte that looks like the marker.
    }
  }
  return undefined;
}
