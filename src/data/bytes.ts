/**
 * The bytes of a file at any place: a small file is held in memory, a big one is read where asked, a gzip file is
 * unpacked into memory whatever its name. Reading past the end is an error that names the file.
 */

import { createReadStream } from "node:fs";
import { type FileHandle, readFile, stat } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";
import { failToRead, openRegular } from "./files.ts";

export interface Bytes {
  readonly path: string;
  readonly length: number;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Unpacked gzip beyond this is refused: it would be held in memory. */
const MAX_UNPACKED = 2 ** 31;

export async function openBytes(path: string, { memory }: { memory: number }): Promise<Bytes> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegular(path);
    const { size } = await handle.stat();
    const magic = new Uint8Array(2);
    await handle.read(magic, 0, 2, 0);
    if (magic[0] === 0x1f && magic[1] === 0x8b) {
      await handle.close();
      const unpacked = await unpack(path);
      if (unpacked[0] === 0x1f && unpacked[1] === 0x8b)
        fail("data", `expected a file that is packed once at ${path} but received gzip inside gzip: unpack it once`);
      return inMemory(path, unpacked);
    }
    if (size <= memory) {
      await handle.close();
      return inMemory(path, await readFile(path));
    }
    return onDisk(path, size, handle);
  } catch (error) {
    await handle?.close().catch(() => {});
    if (error instanceof Error && error.name === "PixelcnnError") throw error;
    return failToRead(path, error);
  }
}

async function unpack(path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const unpacker = createGunzip();
  const file = createReadStream(path);
  file.on("error", (error) => unpacker.destroy(error));
  try {
    for await (const chunk of file.pipe(unpacker) as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > MAX_UNPACKED)
        fail("data", `expected at most ${MAX_UNPACKED} unpacked bytes for ${path}: unpack it with gunzip first`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Error && error.name === "PixelcnnError") throw error;
    if ((await stat(path).catch(() => null)) === null) failToRead(path, error);
    fail("data", `expected a whole gzip file at ${path} but received ${reasonOf(error)}`, error);
  } finally {
    file.destroy();
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function pastTheEnd(path: string, offset: number, length: number, size: number): never {
  return fail(
    "data",
    `expected ${length} bytes at byte ${offset} of ${path} but received the end of the file (${size} bytes)`,
  );
}

function inMemory(path: string, bytes: Uint8Array): Bytes {
  return {
    path,
    length: bytes.length,
    read: async (offset, length) =>
      offset + length <= bytes.length
        ? bytes.subarray(offset, offset + length)
        : pastTheEnd(path, offset, length, bytes.length),
    close: async () => {},
  };
}

function onDisk(path: string, size: number, handle: FileHandle): Bytes {
  return {
    path,
    length: size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle
          .read(bytes, done, length - done, offset + done)
          .catch((error) => failToRead(path, error));
        if (bytesRead === 0) pastTheEnd(path, offset, length, size);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}
