/**
 * What lies in a folder: images, other files, and what is passed over, each with its reason, so that every file is
 * accounted for. Images are known by their names, and by their first bytes where the name says nothing.
 */

import { existsSync } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { fail, PixelcnnError } from "../errors.ts";
import { imageKind } from "../found.ts";
import { counted, printable, reasonOf } from "../words.ts";
import { readStart } from "./files.ts";

const READ = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".avif", ".pgm", ".ppm"] as const;
/** Other endings of the same formats. */
const ALIASES = [".jfif", ".jpe", ".pnm", ".apng"];
/** Images all the same, so that leaving them out deserves a word of its own. */
const NOT_READ = [".bmp", ".heic", ".heif", ".jp2", ".jxl", ".svg", ".psd", ".exr", ".hdr", ".pbm", ".ico", ".dng"];
/** Files whose names say that they are no images: they are not looked into. */
const OTHER_ENDINGS =
  "txt caption md rst pdf doc docx xls xlsx json jsonl csv tsv xml htm html yml yaml toml ini log db py ipynb js ts " +
  "sh npy npz parquet bin gz zip tar tgz 7z rar mat pkl pt pth safetensors onnx pxc mp4 mov avi wav mp3";
const OTHER = new RegExp(`\\.(${OTHER_ENDINGS.replaceAll(" ", "|")})$|ubyte$`, "i");
/** Folders that operating systems, network disks and tools put among the user's own. */
const SYSTEM_FOLDERS = new Set([
  ...["@eadir", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found", "__macosx"],
  ...["node_modules", "__pycache__"],
]);
/** Files of the same kind; `~$` begins the lock of an open office document. */
const SYSTEM_FILE = /^(thumbs\.db|desktop\.ini|ehthumbs\.db|~\$.*)$/i;
/** What a folder with a config.json holds when it is a run or a model of ours. */
const OWN_FILES = ["model.safetensors", "state.safetensors", "log.jsonl", "images.jsonl"];

/** The formats of image files that are read, for messages. */
export const FORMATS_READ = `the formats read are ${READ.map((ending) => ending.slice(1)).join(", ")}`;

export function isImageName(name: string): boolean {
  const ending = extname(name).toLowerCase();
  return (READ as readonly string[]).includes(ending) || ALIASES.includes(ending);
}

/** Whether a file is an image that is read: by its name or, where that says nothing, by its first bytes. */
export async function isImageFile(path: string): Promise<boolean> {
  if (isImageName(path)) return true;
  if (OTHER.test(path) || NOT_READ.includes(extname(path).toLowerCase())) return false;
  return imageKind(await readStart(path, 64)) !== null;
}

export interface Passed {
  /** Path below the folder; with "/" at its end for a whole folder. */
  readonly name: string;
  readonly why: "hidden" | "of the system" | "runs of pixelcnn" | "not read" | "no images" | "cannot be read";
  /** The message of what cannot be read. */
  readonly reason?: string;
}

export interface Listing {
  /** Images, as paths with "/", sorted by code units. */
  readonly files: readonly string[];
  /** All other files, sorted; among them captions and the files of other formats of data. */
  readonly others: readonly string[];
  /** What is never looked at: hidden, of the system, runs of ours; with `skip`, what cannot be read. */
  readonly passed: readonly Passed[];
  /** Folders at the top, with images or without. */
  readonly folders: readonly string[];
}

/** Every file below `root`. `onBroken`: a folder or name that cannot be read is an error, or passed over. */
export async function listImages(root: string, onBroken: "error" | "skip" = "error"): Promise<Listing> {
  const files: string[] = [];
  const others: string[] = [];
  const passed: Passed[] = [];
  const folders: string[] = [];

  /** What `work` gives; null where that cannot be read and is passed over. */
  const orPassOver = async <T>(name: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      if (onBroken === "error" || !(error instanceof PixelcnnError)) throw error;
      passed.push({ name, why: "cannot be read", reason: error.message });
      return null;
    }
  };

  const walk = async (folder: string, prefix: string, above: ReadonlyMap<string, string>): Promise<void> => {
    const real = await realpath(folder).catch((error) => failToList(folder, error));
    const earlier = above.get(real);
    if (earlier !== undefined)
      fail("data", `expected folders without a loop but received ${folder}, a link back to ${earlier}`);
    const entries = await readdir(folder, { withFileTypes: true }).catch((error) => failToList(folder, error));
    for (const entry of entries) {
      const { name } = entry;
      const path = prefix + name;
      const inside = join(folder, name);
      const isFolder = await orPassOver(path, () => isFolderEntry(entry, inside));
      if (isFolder === null) continue;
      const whole = isFolder ? `${path}/` : path;
      // What we write ourselves beside images (vectors of captions) needs no word.
      if (name.startsWith(".pixelcnn-")) continue;
      if (name.startsWith(".")) passed.push({ name: whole, why: "hidden" });
      else if (isFolder ? SYSTEM_FOLDERS.has(name.toLowerCase()) : SYSTEM_FILE.test(name))
        passed.push({ name: whole, why: "of the system" });
      else if (isFolder && isOwnFolder(inside)) passed.push({ name: whole, why: "runs of pixelcnn" });
      else if (isFolder) {
        if (prefix === "") folders.push(name);
        await orPassOver(whole, () => walk(inside, `${path}/`, new Map([...above, [real, folder]])));
      } else if (isImageName(name)) files.push(path);
      else {
        const isImage = OTHER.test(name) ? false : await isImageFile(inside).catch(() => false);
        (isImage ? files : others).push(path);
      }
    }
  };
  await walk(root, "", new Map());
  return { files: files.sort(), others: others.sort(), passed: passed.sort(byName), folders: folders.sort() };
}

const byName = (a: Passed, b: Passed): number => (a.name < b.name ? -1 : 1);

function failToList(folder: string, error: unknown): never {
  return fail("io", `expected a readable folder at ${folder} but received: ${reasonOf(error)}`, error);
}

async function isFolderEntry(
  entry: { name: string; isDirectory(): boolean; isSymbolicLink(): boolean },
  path: string,
): Promise<boolean> {
  // A name that is not UTF-8 comes with U+FFFD in it, and leads nowhere.
  if (entry.name.includes("\uFFFD") && !existsSync(path))
    fail("io", `expected names in UTF-8 but received ${printable(path)}, whose name is none: rename it`);
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    // A dangling link with an image's name is an image that cannot be read; without one it may lead anywhere.
    if ((error as NodeJS.ErrnoException).code === "ELOOP")
      fail("data", `expected links without a loop but received ${path}`);
    return false;
  }
}

/** Whether a folder is a run or a model of ours: its pictures are no data. */
function isOwnFolder(folder: string): boolean {
  const holds = (name: string): boolean => existsSync(join(folder, name));
  return holds("config.json") && (OWN_FILES.some(holds) || holds("samples"));
}

/** Files of a folder that are used beside the images: captions and tables of them. */
function isSideFile(file: string, images: ReadonlySet<string>): boolean {
  const name = file.split("/").at(-1)!.toLowerCase();
  if (["captions.jsonl", "metadata.jsonl", "metadata.csv"].includes(name)) return true;
  if (!/\.(txt|caption)$/.test(name)) return false;
  return images.has(stemOf(file));
}

/** A path without its ending, in one normal form. */
export const stemOf = (file: string): string => file.replace(/\.[^./]+$/, "").normalize("NFC");

/** All that is not used of a folder, with reasons. */
export function passedOver({ files, others, passed }: Listing): Passed[] {
  const stems = new Set(files.map(stemOf));
  const rest = others.filter((file) => !isSideFile(file, stems));
  const why = (file: string): Passed["why"] =>
    NOT_READ.includes(extname(file).toLowerCase()) ? "not read" : "no images";
  return [...passed, ...rest.map((name) => ({ name, why: why(name) }))].sort(byName);
}

/** Why something is passed over, of one and of many. */
export const PASSED_WORDS: Readonly<Record<Passed["why"], { readonly one: string; readonly many: string }>> = {
  hidden: { one: "hidden", many: "hidden" },
  "of the system": { one: "of the system", many: "of the system" },
  "runs of pixelcnn": { one: "a model or run", many: "in folders of models and runs" },
  "not read": { one: "a format that is not read", many: "images of other formats" },
  "no images": { one: "no image", many: "no images" },
  "cannot be read": { one: "cannot be read", many: "that cannot be read" },
};
const NAMED = 3;

/** `5 files passed over: 2 hidden (.a, .b), 3 no images (notes.txt, ...)`; null where there are none. */
export function describePassed(passed: readonly Passed[]): string | null {
  if (passed.length === 0) return null;
  const parts = (Object.keys(PASSED_WORDS) as Passed["why"][]).flatMap((why) => {
    const names = passed.filter((one) => one.why === why).map((one) => printable(one.reason ?? one.name));
    if (names.length === 0) return [];
    const shown = names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ", ..." : "");
    return [`${names.length} ${PASSED_WORDS[why].many} (${shown})`];
  });
  const formats = passed.some(({ why }) => why === "not read") ? `; ${FORMATS_READ}` : "";
  return `${counted(passed.length, "file")} passed over: ${parts.join(", ")}${formats}`;
}

/** Pairs of names that differ only in case or in Unicode form, which some disks take for one. */
export function lookalikes(names: readonly string[]): [string, string][] {
  const seen = new Map<string, string>();
  const pairs: [string, string][] = [];
  for (const name of names) {
    const key = name.normalize("NFC").toLowerCase();
    const earlier = seen.get(key);
    if (earlier !== undefined && earlier !== name) pairs.push([earlier, name]);
    else seen.set(key, name);
  }
  return pairs;
}
