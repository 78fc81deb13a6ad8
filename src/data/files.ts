/**
 * The user's files, opened and read in one way: only regular files (a pipe would wait for ever), and with one sentence
 * for whatever goes wrong.
 */

import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";

/** Throws the "io" error of a file that cannot be read. */
export function failToRead(path: string, error: unknown): never {
  return fail("io", `expected a readable file at ${path} but received: ${reasonOf(error)}`, error);
}

/** Opens a file; fails with "io" for what is none, at once. */
export async function openRegular(path: string): Promise<FileHandle> {
  // Without O_NONBLOCK, opening a pipe waits until somebody writes into it.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error) =>
    failToRead(path, error),
  );
  const found = await handle.stat();
  if (found.isFile()) return handle;
  await handle.close();
  const what = found.isDirectory()
    ? "a folder"
    : found.isFIFO()
      ? "a pipe (FIFO)"
      : found.isSocket()
        ? "a socket"
        : found.isCharacterDevice() || found.isBlockDevice()
          ? "a device"
          : "something else";
  return fail("io", `expected a file at ${path} but received ${what}`);
}

export async function readRegular(path: string): Promise<Buffer> {
  const handle = await openRegular(path);
  try {
    return await readFile(handle);
  } catch (error) {
    return failToRead(path, error);
  } finally {
    await handle.close();
  }
}

/** The first bytes of a file. */
export async function readStart(path: string, length: number): Promise<Uint8Array> {
  const handle = await openRegular(path);
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    return failToRead(path, error);
  } finally {
    await handle.close();
  }
}

/** A text in UTF-8, or in UTF-16 where a byte order mark says so; anything else is an error that names the line. */
export async function readText(path: string): Promise<string> {
  return decodeText(await readRegular(path), path);
}

export function decodeText(bytes: Uint8Array, path: string): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    let line = 1;
    for (let start = 0; start < bytes.length; line++) {
      const end = bytes.indexOf(10, start);
      const part = bytes.subarray(start, end < 0 ? bytes.length : end);
      try {
        new TextDecoder("utf-8", { fatal: true }).decode(part);
      } catch {
        break;
      }
      start += part.length + 1;
    }
    return fail("data", `expected text in UTF-8 in ${path} but line ${line} is none; save the file as UTF-8`, error);
  }
}
