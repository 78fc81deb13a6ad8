/** The command line's door: every command by name, each loaded when it is asked for. */

import { createRequire } from "node:module";
import { type Program, runProgram } from "./run-command.ts";

const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };

const commands: Program["commands"] = {
  train: async () => (await import("./train.ts")).default as never,
  eval: async () => (await import("./eval.ts")).default as never,
  sample: async () => (await import("./sample.ts")).default as never,
  encode: async () => (await import("./encode.ts")).default as never,
  reconstruct: async () => (await import("./reconstruct.ts")).default as never,
  interpolate: async () => (await import("./interpolate.ts")).default as never,
  complete: async () => (await import("./complete.ts")).default as never,
  score: async () => (await import("./score.ts")).default as never,
  compress: async () => (await import("./compress.ts")).default as never,
  decompress: async () => (await import("./decompress.ts")).default as never,
  info: async () => (await import("./info.ts")).default as never,
  export: async () => (await import("./export.ts")).default as never,
  models: async () => (await import("./models.ts")).default as never,
};

// Not left to the event loop: after an error some worker may still be alive.
process.exit(await runProgram({ version, commands }, process.argv.slice(2)));
