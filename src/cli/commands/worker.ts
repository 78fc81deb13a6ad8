/** `pixelcnn worker`: does shards of the jobs that other command lines put into a queue, until it is stopped. */

import { fail } from "../../errors.ts";
import { serveQueue } from "../../queue/serve-queue.ts";
import { serveTraining } from "../../queue/serve-training.ts";
import { openStore, readQueueAddress } from "../../queue/store.ts";
import { counted } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { QUEUE_NAME, readQueueName } from "../options/queue.ts";
import { defineCommand } from "../run-command.ts";
import { ownVersion } from "../version.ts";

/** Seconds. */
const LEASE = 30;

export default defineCommand({
  name: "worker",
  summary: "Do shards of the jobs in a queue (--queue of score, compress, sample, eval; with --train: of train)",
  args: {
    queue: {
      type: "string",
      valueHint: "URL",
      description: "The Redis or Valkey of the queue: redis://[user:password@]host:port[/db]; rediss:// for TLS",
    },
    folder: {
      type: "string",
      valueHint: "SHARED",
      description:
        "What jobs may read and write: data, models and parts below it, besides named sets and shipped models. May " +
        "be given more than once",
    },
    name: { type: "string", valueHint: "Q", description: `The queue's name; default ${QUEUE_NAME}` },
    train: { type: "boolean", description: "Do shards of training steps, and no others, one on each thread" },
    "at-once": { type: "string", valueHint: "N", description: "Shards at a time; default one" },
    threads: { type: "string", valueHint: "T", description: "CPU threads of each shard; default as the leader says" },
    lease: {
      type: "string",
      valueHint: "SECONDS",
      description: `After so long the shards of a worker that is not heard of are given to others; default ${LEASE}`,
    },
  },
  repeated: ["folder"],
  saves: true,
  examples: [
    "worker --queue redis://queue:6379 --folder /data/shared",
    "worker --queue redis://queue:6379 --folder /data/shared --at-once 4 --threads 1",
    "worker --train --queue redis://queue:6379 --folder /data/shared",
  ],
  async run(args, { terminal, signal, valuesOf }) {
    const address = readQueueAddress(args.queue ?? fail("usage", "expected --queue redis://host:port"));
    const folders = valuesOf("folder");
    if (folders.length === 0) fail("usage", "expected --folder SHARED, what jobs may read and write");
    const name = readQueueName(args.name);
    if (args.train && args["at-once"] !== undefined)
      fail("usage", "expected --threads with --train, a shard on each, but received --at-once");
    const atOnce = numberOption("at-once", args["at-once"], { min: 1, max: 1024 }) ?? 1;
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 });
    const lease = numberOption("lease", args.lease, { min: 1, max: 86_400 }) ?? LEASE;
    const store = await openStore(address);
    const program = [process.execPath, ...process.execArgv, process.argv[1]!];
    terminal.note(`waiting for shards of the queue ${name} at ${address.shown}`);
    const rules = { name, folders, version: ownVersion(), lease, threads, signal, note: terminal.note };
    const served = await (args.train ? serveTraining(store, rules) : serveQueue(store, { ...rules, program, atOnce }));
    const { done, failed, handedBack } = served;
    return {
      json: { ...served },
      text: `${counted(done, "shard")} done, ${failed} failed, ${handedBack} handed back to the queue`,
    };
  },
});
