/** What `decompress` says: of files that it wrote, and of what an archive holds. */

import {
  conditionJson,
  contentsOf,
  describeConditions,
  describeValue,
  imagesIn,
  writtenNames,
} from "../codec/archive-contents.ts";
import type { Teller } from "../runs/source-image.ts";
import type { Unpacked } from "../runs/unpack-archive.ts";
import { counted, printable } from "../words.ts";
import type { Report } from "./report.ts";

interface UnpackedFiles {
  readonly archive: string;
  readonly out: string;
  readonly salvage?: boolean | undefined;
  readonly seconds: number;
}

export function unpackReport(
  unpacked: Unpacked,
  { archive, out, salvage, seconds }: UnpackedFiles,
  tell: Pick<Teller, "warn">,
): Report {
  const { model, step, files, renamed, lossy, lost, problems } = unpacked;
  const names = renamedLines(renamed);
  const done = { archive, out, model, step, images: files.length, seconds, files, renamed };
  if (salvage) {
    for (const problem of problems) tell.warn(problem);
    const saved = `${counted(files.length, "image")} saved in ${seconds.toFixed(1)} s: ${out}`;
    const whole = lost.length === 0 && problems.length === 0;
    return {
      json: { ...done, lost, problems },
      text: [saved, ...names, ...lost.map(lostLine)].join("\n"),
      code: whole ? 0 : 1,
    };
  }
  if (lossy)
    tell.warn(
      "some images had more values than the model has levels when they were compressed: they come back as the " +
        "nearest levels, spread over 0..255",
    );
  const text = [`${counted(files.length, "image")} in ${seconds.toFixed(1)} s: ${out}`, ...names].join("\n");
  return { json: { ...done, lossy }, text };
}

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
export function contentsReport(archive: string, bytes: Uint8Array, pixelBudget: number | undefined): Report {
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
