/** --queue of the commands that work in shards: shared out to workers, and gathered into what one process writes. */

import { fail } from "../../errors.ts";
import { leadQueue, type QueueProgress } from "../../queue/lead-queue.ts";
import { LEADERS } from "../../queue/shard-order.ts";
import { openStore, readQueueAddress, type Store } from "../../queue/store.ts";
import { JOIN, type Wanted } from "../../reports/joined-report.ts";
import type { Report } from "../../reports/report.ts";
import { gatherParts } from "../../runs/gather-parts.ts";
import type { ShardWish } from "../../runs/make-part.ts";
import { checkPartsFolder } from "../../runs/output.ts";
import type { Job } from "../../runs/part-file.ts";
import { counted, duration, rounded } from "../../words.ts";
import type { CommandContext } from "../run-command.ts";
import { ownVersion } from "../version.ts";
import { numberOption } from "./number-option.ts";

/** Shards of a job whose user names no number. */
const SHARDS = 16;
/** The parts' folder of a job whose user names none. */
const PARTS = "parts";

export const QUEUE_NAME = "pixelcnn";

export const queueArgs = {
  queue: {
    type: "string",
    valueHint: "URL",
    description:
      "Share the work out to `pixelcnn worker` processes, by the Redis or Valkey at redis://host:port, and write " +
      "what one process would; workers see this folder and --parts (default: parts)",
  },
  shards: { type: "string", valueHint: "N", description: `With --queue: the number of shards; default ${SHARDS}` },
  name: { type: "string", valueHint: "Q", description: `With --queue: its name; default ${QUEUE_NAME}` },
} as const;

export interface QueueWish {
  /** That of a shard that only finds out which job it is. */
  readonly wish: ShardWish;
  readonly name: string;
  readonly context: CommandContext;
  readonly store: Store;
}

interface QueueWords {
  readonly queue?: string | undefined;
  readonly shards?: string | undefined;
  readonly name?: string | undefined;
  readonly shard?: string | undefined;
  readonly parts?: string | undefined;
}

/** Undefined without --queue. A wrong address is told here, before the data are read. */
export async function readQueueOptions(
  { queue, shards, name, shard, parts = PARTS }: QueueWords,
  inputs: readonly (string | undefined)[],
  context: CommandContext,
): Promise<QueueWish | undefined> {
  if (queue === undefined) {
    const lost = shards === undefined ? (name === undefined ? undefined : "--name") : "--shards";
    if (lost !== undefined) fail("usage", `expected --queue redis://host:port with ${lost}`);
    return undefined;
  }
  if (shard !== undefined) fail("usage", "expected --shard or --queue but received both: a queue makes its own shards");
  const of = numberOption("shards", shards, { min: 1, max: 100_000 }) ?? SHARDS;
  checkPartsFolder(parts, { option: "--parts", inputs });
  const store = await openStore(readQueueAddress(queue));
  return { wish: { shard: { index: 1, of }, parts, onlyJob: true }, name: readQueueName(name), context, store };
}

export function readQueueName(name = QUEUE_NAME): string {
  if (!/^[\w.-]{1,100}$/.test(name))
    fail("usage", `expected letters, digits, dots and dashes for --name but received ${JSON.stringify(name)}`);
  return name;
}

/** Has the job done, gathers its parts, and writes and says what one process would. */
export async function queueOutcome(
  { wish, name, context, store }: QueueWish,
  job: Job,
  { out, csv, histogram, scale }: Partial<Omit<Wanted, "tell" | "seconds">>,
  seconds: () => number,
): Promise<Report> {
  const { terminal, signal, words } = context;
  const options = Object.entries(words.options).filter(([option]) => !LEADERS.includes(option));
  const files = await leadQueue(store, {
    name,
    job,
    parts: wish.parts,
    version: ownVersion(),
    words: { options: Object.fromEntries(options), positionals: words.positionals },
    signal,
    note: terminal.note,
    onProgress: progressLine(terminal),
  });
  terminal.endProgress();
  const gathered = await gatherParts(files);
  return JOIN[job.command](gathered, { out, csv, histogram, scale, tell: terminal, seconds });
}

/** `shards  3/16  0.5 shards/s  26 s left  4 workers`. */
function progressLine(terminal: CommandContext["terminal"]): (progress: QueueProgress) => void {
  const started = performance.now();
  return ({ done, total, found, workers }) => {
    const rate = (done - found) / ((performance.now() - started) / 1000);
    const left = done > found ? `  ${rounded(rate)} shards/s  ${duration((total - done) / rate)} left` : "";
    const seen = workers === undefined ? "" : `  ${counted(workers, "worker")}`;
    terminal.progress(`queue  ${done}/${total} shards${left}${seen}`);
  };
}
