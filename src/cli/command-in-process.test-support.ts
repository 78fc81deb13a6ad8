/**
 * A command given as words, as run-command.ts runs it but without a process of its own: for tests of many cases, beside
 * those through the front door.
 */

import { PixelcnnError } from "../errors.ts";
import type { Report } from "../reports/report.ts";
import { numberOption } from "./options/number-option.ts";
import { type Command, readWords } from "./run-command.ts";
import { openTerminal } from "./terminal.ts";

export interface Ran {
  /** What --json would print; of an error, `{ error: { kind, message } }`. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into what a program would read
  readonly json: any;
  readonly text: string;
  readonly code: number;
  /** What would stand on stderr. */
  readonly messages: string;
}

export async function runCommand(command: Command, ...words: string[]): Promise<Ran> {
  let messages = "";
  const terminal = openTerminal({ write: (text) => (messages += text) });
  const { args, values, positionals, words: given } = readWords(command, words);
  const valuesOf = (option: string): string[] => values.get(option) ?? [];
  const seed = numberOption("seed", valuesOf("seed")[0]);
  const context = {
    terminal,
    signal: new AbortController().signal,
    seed,
    positionals,
    words: given,
    valuesOf,
    keepStdout: () => undefined,
  };
  try {
    const outcome: Report = await command.run(args, context);
    return {
      json: JSON.parse(JSON.stringify(outcome.json)),
      text: outcome.text ?? "",
      code: outcome.code ?? 0,
      messages,
    };
  } catch (error) {
    if (!(error instanceof PixelcnnError) || error.kind === "internal") throw error;
    const { kind, message } = error;
    return { json: { error: { kind, message } }, text: "", code: kind === "usage" ? 2 : 1, messages };
  }
}
