/** What a run's log.jsonl says, read back. Lines that are not whole, of a process that was killed, are passed over. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evaluation } from "../measure/evaluate.ts";

/** A test of the run's log. Logs of earlier versions have no kind: they know only the likelihood. */
export type LoggedEvaluation = Evaluation & { readonly step: number; readonly seconds: number };

/** The last test and the training time, where there is a log. */
export async function lastOfLog(
  folder: string,
): Promise<{ evaluation: LoggedEvaluation | null; seconds: number | null }> {
  const text = await readFile(join(folder, "log.jsonl"), "utf8").catch(() => "");
  let evaluation: LoggedEvaluation | null = null;
  let seconds: number | null = null;
  for (const line of text.split("\n")) {
    if (!/"type":"(evaluation|checkpoint)"/.test(line)) continue;
    try {
      const entry = JSON.parse(line) as LoggedEvaluation & { readonly type: string };
      seconds = entry.seconds;
      if (entry.type === "evaluation") evaluation = entry;
    } catch {
      // Half a line.
    }
  }
  return { evaluation, seconds };
}
