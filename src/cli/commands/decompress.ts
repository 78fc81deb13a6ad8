/**
 * `pixelcnn decompress`: the images of a .pxc archive as PNG files, under safe names, with the values that their
 * sources had. With --salvage a damaged archive gives back what is whole; with --list nothing is decoded and no model
 * needed.
 */

import { fail } from "../../errors.ts";
import { contentsReport, unpackReport } from "../../reports/unpack-report.ts";
import { readArchive } from "../../runs/archive-file.ts";
import { checkOutputFolder } from "../../runs/output.ts";
import { unpackArchive } from "../../runs/unpack-archive.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand } from "../run-command.ts";
import { imageProgress } from "../terminal.ts";

export default defineCommand({
  name: "decompress",
  summary: "Images out of a .pxc archive, as PNG files",
  args: {
    archive: { type: "positional", required: true, description: "A .pxc file" },
    out: { type: "string", alias: "o", valueHint: "DIR", description: "The folder to write to" },
    model: {
      type: "string",
      valueHint: "M",
      description:
        "The model that coded it, or an archive with that inside; default: the one inside, a shipped one, or that " +
        "in the folder which the archive names",
    },
    list: { type: "boolean", description: "Only say what is in it; needs no model" },
    salvage: {
      type: "boolean",
      description: "Write what is whole of a damaged archive, and say what is lost (exit code 1 if anything is)",
    },
    force: { type: "boolean", description: "Replace files that exist" },
    threads: { type: "string", valueHint: "T", description: "CPU threads; default one. No pixel depends on it" },
    "pixel-budget": {
      type: "string",
      valueHint: "N",
      description: "Most sub-pixels of a group, so that no archive can fill the memory; default 2^24",
    },
  },
  examples: [
    "decompress digits.pxc -o digits/",
    "decompress digits.pxc --list",
    "decompress damaged.pxc -o saved/ --salvage --model runs/digits",
  ],
  async run(args, { terminal, signal }) {
    const threads = numberOption("threads", args.threads, { min: 1, max: 1024 }) ?? 1;
    const pixelBudget = numberOption("pixel-budget", args["pixel-budget"], { min: 1, max: 2 ** 31 });
    const { archive } = args;
    const bytes = await readArchive(archive);
    if (args.list) return contentsReport(archive, bytes, pixelBudget);
    const out = args.out ?? fail("usage", "expected -o DIR, the folder to write to, but received none");
    checkOutputFolder(out, "-o");
    const started = performance.now();
    const { salvage, force } = args;
    const onProgress = imageProgress(terminal, "decompressing");
    const options = { out, model: args.model, salvage, force, threads, pixelBudget, signal, onProgress };
    const unpacked = await unpackArchive(archive, bytes, { ...options, tell: terminal.warn });
    terminal.endProgress();
    const seconds = (performance.now() - started) / 1000;
    return unpackReport(unpacked, { archive, out, salvage, seconds }, terminal);
  },
});
