/** Images that cannot be read or used: all of them named in one message, each with its own reason. */

import { fail, PixelcnnError } from "../errors.ts";

/** Messages that are listed, at most. */
const LISTED = 20;

/** Whether an error is about one image, so that the others can still be read. */
export const isBroken = (error: unknown): error is PixelcnnError =>
  error instanceof PixelcnnError && (error.kind === "data" || error.kind === "io");

/** `heading:` and the messages of the errors, one a line. */
export function listBroken(heading: string, errors: readonly PixelcnnError[]): string {
  const more = errors.length > LISTED ? [`and ${errors.length - LISTED} more`] : [];
  const lines = [...errors.slice(0, LISTED).map(({ message }) => message), ...more];
  return `${heading}:${lines.map((line) => `\n  ${line}`).join("")}`;
}

/** Throws the one error, or one that names them all and what can be done. */
export function failBroken(heading: string, errors: readonly PixelcnnError[], advice: string): never {
  const [first] = errors as readonly [PixelcnnError];
  if (errors.length === 1) throw first;
  return fail(first.kind, `${listBroken(heading, errors)}\n${advice}`, first);
}
