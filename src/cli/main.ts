/** The command line's door: every command by name, each loaded when it is asked for. */

import { createRequire } from "node:module";
import { type Program, runProgram } from "./run-command.ts";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

const commands: Program["commands"] = {
  train: async () => (await import("./commands/train.ts")).default as never,
  eval: async () => (await import("./commands/eval.ts")).default as never,
  sample: async () => (await import("./commands/sample.ts")).default as never,
  encode: async () => (await import("./commands/encode.ts")).default as never,
  reconstruct: async () => (await import("./commands/reconstruct.ts")).default as never,
  interpolate: async () => (await import("./commands/interpolate.ts")).default as never,
  complete: async () => (await import("./commands/complete.ts")).default as never,
  score: async () => (await import("./commands/score.ts")).default as never,
  compress: async () => (await import("./commands/compress.ts")).default as never,
  decompress: async () => (await import("./commands/decompress.ts")).default as never,
  info: async () => (await import("./commands/info.ts")).default as never,
  export: async () => (await import("./commands/export.ts")).default as never,
  models: async () => (await import("./commands/models.ts")).default as never,
};

// Not left to the event loop: after an error some worker may still be alive.
process.exit(await runProgram({ version, commands }, process.argv.slice(2)));
