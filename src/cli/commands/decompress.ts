/**
 * `pixelcnn decompress`: the images of a .pxc archive as PNG files, under safe names, with the values that their
 * sources had. With --salvage a damaged archive gives back what is whole; with --list nothing is decoded and no model
 * needed.
 */

import {
  conditionJson,
  contentsOf,
  describeConditions,
  describeValue,
  imagesIn,
  writtenNames,
} from "../../codec/archive-contents.ts";
import { fail } from "../../errors.ts";
import { readArchive } from "../../runs/archive-file.ts";
import { checkOutputFolder } from "../../runs/output.ts";
import { type Unpacked, unpackArchive } from "../../runs/unpack-archive.ts";
import { counted, printable } from "../../words.ts";
import { numberOption } from "../options/number-option.ts";
import { defineCommand, type Outcome } from "../run-command.ts";
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
    if (args.list) return listOf(archive, bytes, pixelBudget);
    const out = args.out ?? fail("usage", "expected -o DIR, the folder to write to, but received none");
    checkOutputFolder(out, "-o");
    const started = performance.now();
    const { salvage, force } = args;
    const onProgress = imageProgress(terminal, "decompressing");
    const options = { out, model: args.model, salvage, force, threads, pixelBudget, signal, onProgress };
    const unpacked = await unpackArchive(archive, bytes, { ...options, tell: terminal.warn });
    terminal.endProgress();
    const { model, step, files, renamed, lossy, lost, problems } = unpacked;
    const names = renamedLines(renamed);
    const seconds = (performance.now() - started) / 1000;
    const done = { archive, out, model, step, images: files.length, seconds, files, renamed };
    if (salvage) {
      for (const problem of problems) terminal.warn(problem);
      const saved = `${counted(files.length, "image")} saved in ${seconds.toFixed(1)} s: ${out}`;
      const whole = lost.length === 0 && problems.length === 0;
      return {
        json: { ...done, lost, problems },
        text: [saved, ...names, ...lost.map(lostLine)].join("\n"),
        code: whole ? 0 : 1,
      };
    }
    if (lossy)
      terminal.warn(
        "some images had more values than the model has levels when they were compressed: they come back as the " +
          "nearest levels, spread over 0..255",
      );
    const text = [`${counted(files.length, "image")} in ${seconds.toFixed(1)} s: ${out}`, ...names].join("\n");
    return { json: { ...done, lossy }, text };
  },
});

/** Which names are not written as they are stored. */
function renamedLines({ endings, others }: Unpacked["renamed"]): string[] {
  const ended = endings === 0 ? [] : [`${counted(endings, "name")} end in .png now, since the files are PNG`];
  return [...ended, ...others.map(([stored, written]) => `  ${printable(stored)} is written as ${written}`)];
}

function lostLine({ first, last, names, reason }: Unpacked["lost"][number]): string {
  const which =
    last === undefined
      ? `image ${first} and all after it`
      : first === last
        ? `image ${first}`
        : `images ${first} to ${last}`;
  return `lost: ${which}: ${reason}${names.length === 0 ? "" : `\n  ${names.map(printable).join("\n  ")}`}`;
}

/** What an archive says about itself, image by image. */
function listOf(archive: string, bytes: Uint8Array, pixelBudget: number | undefined): Outcome {
  const contents = contentsOf(archive, bytes, { pixelBudget });
  const { digest } = contents;
  if (!("groups" in contents)) {
    const { condition, file } = contents;
    const told = condition === undefined ? "" : `; condition: ${describeValue(condition)}`;
    const text = `${archive}: one image, ${bytes.length} bytes, coded with the model ${digest}...${told}`;
    const about = { archive, kind: file.kind, bytes: bytes.length, digest, images: 1 };
    return { json: { ...about, condition: conditionJson(condition) }, text };
  }
  const { file, notes, inside, conditions, groups } = contents;
  const images = imagesIn(contents);
  const { channels, levels } = file.header;
  const about =
    `${archive}: ${counted(file.images, "image")} in ${counted(groups.length, "group")}, ` +
    `${counted(channels, "channel")}, ${levels} levels, ${bytes.length} bytes\n` +
    `model ${digest}${notes?.model === undefined ? "" : ` (${JSON.stringify(notes.model)})`}` +
    (inside ? `; inside: ${inside.bytes} bytes, weights in ${inside.precision}` : "") +
    (notes?.lossy ? "; NOT lossless: some images were taken to the nearest levels" : "") +
    (conditions.bytes > 0 ? `\nconditions: ${describeConditions(conditions, notes)}` : "");
  const { stored } = contents;
  const written = writtenNames(stored);
  const rows = images.map(({ name, label, condition, height, width }, i) => {
    const of = label === undefined ? "" : `  ${notes?.classes?.[label] ?? label}`;
    const told = condition === undefined || condition === label ? "" : `  (${describeValue(condition)})`;
    const as = stored[i] === "" || stored[i] === written[i] ? "" : `  written as ${written[i]}`;
    return `  ${height}x${width}  ${printable(stored[i] || name)}${as}${of}${told}`;
  });
  return {
    json: {
      archive,
      kind: file.kind,
      bytes: bytes.length,
      digest,
      channels,
      levels,
      groups: groups.length,
      notes,
      inside: inside ?? null,
      conditions,
      images: images.map((image, i) => ({
        ...image,
        stored: stored[i],
        written: written[i],
        condition: conditionJson(image.condition),
      })),
    },
    text: [about, ...rows].join("\n"),
  };
}
