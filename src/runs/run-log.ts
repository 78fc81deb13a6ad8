/** What a run's log.jsonl says at its end. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evaluation } from "../measure/evaluate.ts";
import { logEntries, numberIn } from "./log-entries.ts";

/** A test of the run's log. Logs of earlier versions have no kind: they know only the likelihood. */
export type LoggedEvaluation = Evaluation & { readonly step: number; readonly seconds: number };

/** The last test and the training time, where there is a log. */
export async function lastOfLog(
  folder: string,
): Promise<{ evaluation: LoggedEvaluation | null; seconds: number | null }> {
  const text = await readFile(join(folder, "log.jsonl"), "utf8").catch(() => "");
  let evaluation: LoggedEvaluation | null = null;
  let seconds: number | null = null;
  for (const entry of logEntries(text)) {
    if (entry.type !== "evaluation" && entry.type !== "checkpoint") continue;
    seconds = numberIn(entry, "seconds");
    if (entry.type === "evaluation") evaluation = entry as unknown as LoggedEvaluation;
  }
  return { evaluation, seconds };
}
