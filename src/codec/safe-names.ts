/**
 * File names on their way out of an archive, which may come from anyone: every name becomes a relative path with no
 * `..`, no drive, no NUL or control character, no Windows device, no way to show one thing and be another, and no two
 * of them the same file on a disk that ignores case. Folders are kept.
 */

/** What Windows forbids in a name, C0 and C1 controls, and characters that reorder or hide text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f<>:"|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)/i;
/** Bytes in UTF-8 that disks allow a name, and that we allow a whole path. */
const LONGEST = 255;
const LONGEST_PATH = 2048;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** As many letters of a text as fit into so many bytes. */
function cut(text: string, bytes: number): string {
  if (bytesOf(text) <= bytes) return text;
  let kept = "";
  let left = bytes;
  for (const letter of text) {
    left -= bytesOf(letter);
    if (left < 0) break;
    kept += letter;
  }
  return kept.replace(/[. ]+$/, "");
}

/**
 * Safe relative paths for `names`, in order; `undefined` or nothing left becomes `image-000001` and so on, from 1.
 * Names that stay as they are come first: no other name takes the place of one. `rename`: how a file of that name is
 * called, say with another ending.
 */
export function safeNames(
  names: readonly (string | undefined)[],
  rename: (name: string) => string = (name) => name,
): string[] {
  const taken = new Map<string, "file" | "folder">();
  const counters = new Map<string, number>();

  /** `path` itself, or with " (2)", " (3)", ... before its extension when the place is taken by something else. */
  const claim = (folder: string, part: string, as: "file" | "folder"): string => {
    const { stem, extension } = as === "file" ? splitExtension(part) : { stem: part, extension: "" };
    const wanted = keyOf(folder + part);
    for (let n = counters.get(wanted) ?? 1; ; n++) {
      const end = ` (${n})${extension}`;
      const path = n === 1 ? folder + part : `${folder}${cut(stem, LONGEST - bytesOf(end))}${end}`;
      const key = keyOf(path);
      const holder = taken.get(key);
      if (holder === undefined || (holder === "folder" && as === "folder")) {
        taken.set(key, as);
        counters.set(wanted, as === "file" ? n + 1 : n);
        return path;
      }
    }
  };

  const partsOf = (name: string | undefined, index: number): { folders: string[]; file: string } => {
    const kept = (name ?? "")
      .split(/[\\/]+/)
      .map(safePart)
      .filter((part) => part !== "");
    // Safe once more, since another ending may be longer.
    const file = safePart(rename(kept.pop() ?? `image-${String(index + 1).padStart(6, "0")}`));
    // The folders nearest to the file.
    const folders: string[] = [];
    let left = LONGEST_PATH - bytesOf(file);
    for (const folder of kept.reverse()) {
      left -= bytesOf(folder) + 1;
      if (left < 0) break;
      folders.unshift(folder);
    }
    return { folders, file };
  };

  const all = names.map((name, index) => partsOf(name, index));
  const unchanged = (index: number): boolean => [...all[index]!.folders, all[index]!.file].join("/") === names[index]!;
  const paths: string[] = new Array(names.length);
  const place = (index: number): void => {
    const { folders, file } = all[index]!;
    let folder = "";
    for (const part of folders) folder = `${claim(folder, part, "folder")}/`;
    paths[index] = claim(folder, file, "file");
  };
  for (const index of names.keys()) if (unchanged(index)) place(index);
  for (const index of names.keys()) if (!unchanged(index)) place(index);
  return paths;
}

/** One folder or file name without danger; empty for "", "." and "..". */
function safePart(part: string): string {
  let safe = part.replace(FORBIDDEN, "_");
  if (/^[. ]*$/.test(safe)) return "";
  safe = safe.replace(/[. ]+$/, "").replace(/^ +/, "");
  const { stem, extension } = splitExtension(safe);
  if (DEVICE.test(safe)) safe = `_${safe}`;
  return bytesOf(safe) <= LONGEST ? safe : cut(stem, LONGEST - bytesOf(extension)) + extension;
}

/** The extension with its dot, at most 12 characters, so that a long name keeps it. */
function splitExtension(part: string): { stem: string; extension: string } {
  const dot = part.lastIndexOf(".");
  const extension = dot > 0 && part.length - dot <= 12 ? part.slice(dot) : "";
  return { stem: part.slice(0, part.length - extension.length), extension };
}

/** Names that some disk takes for one. */
function keyOf(path: string): string {
  return path.normalize("NFKC").toUpperCase().toLowerCase();
}
