/** The command line's door: every command by name, each loaded when it is asked for. */

import { type Program, runProgram } from "./run-command.ts";
import { ownVersion } from "./version.ts";

const commands: Program["commands"] = {
  train: () => import("./commands/train.ts"),
  eval: () => import("./commands/eval.ts"),
  sample: () => import("./commands/sample.ts"),
  encode: () => import("./commands/encode.ts"),
  reconstruct: () => import("./commands/reconstruct.ts"),
  interpolate: () => import("./commands/interpolate.ts"),
  complete: () => import("./commands/complete.ts"),
  score: () => import("./commands/score.ts"),
  compress: () => import("./commands/compress.ts"),
  worker: () => import("./commands/worker.ts"),
  merge: () => import("./commands/merge.ts"),
  decompress: () => import("./commands/decompress.ts"),
  info: () => import("./commands/info.ts"),
  export: () => import("./commands/export.ts"),
  studio: () => import("./commands/studio.ts"),
  models: () => import("./commands/models.ts"),
};

// A worker of a queue starts shards as processes: when it is killed, nobody waits for them any more.
process.on("disconnect", () => process.exit(143));

// Not left to the event loop: after an error some worker may still be alive.
process.exit(await runProgram({ version: ownVersion(), commands }, process.argv.slice(2)));
