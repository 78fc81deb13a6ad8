/** What the commands that write a file have in common: --force, and the rule of what may be replaced. */

import { checkOutput, type OutputRules } from "../../runs/output.ts";
import type { CommandContext } from "../run-command.ts";

export const forceArg = {
  force: { type: "boolean", description: "Replace a file that exists; never an input, or a file of a model" },
} as const;

/** Throws unless the file may be written: asked before the work. */
export function checkOption(
  path: string | undefined,
  rules: OutputRules,
  { keepStdout }: Pick<CommandContext, "keepStdout">,
): void {
  if (path !== undefined && checkOutput(path, rules)) keepStdout();
}
