/**
 * File names on their way out of an archive, which may come from anyone: every name becomes a relative path with no
 * `..`, no drive, no NUL or control character, no Windows device, no way to show one thing and be another, and no two
 * of them the same file on a disk that ignores case. Folders are kept.
 */

/** What Windows forbids in a name, C0 and C1 controls, and characters that reorder or hide text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f<>:"|?*\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)/i;
/** Disks allow 255 bytes; 48 characters of 4 bytes and a suffix stay below. */
const LONGEST = 48;

/** Safe relative paths for `names`, in order; `undefined` or nothing left becomes `image-000001` and so on, from 1. */
export function safeNames(names: readonly (string | undefined)[]): string[] {
  const taken = new Map<string, "file" | "folder">();
  const counters = new Map<string, number>();

  /** `path` itself, or with " (2)", " (3)", ... before its extension when the place is taken by something else. */
  const claim = (folder: string, part: string, as: "file" | "folder"): string => {
    const { stem, extension } = as === "file" ? splitExtension(part) : { stem: part, extension: "" };
    const wanted = keyOf(folder + part);
    for (let n = counters.get(wanted) ?? 1; ; n++) {
      const path = n === 1 ? folder + part : `${folder}${stem} (${n})${extension}`;
      const key = keyOf(path);
      const holder = taken.get(key);
      if (holder === undefined || (holder === "folder" && as === "folder")) {
        taken.set(key, as);
        counters.set(wanted, as === "file" ? n + 1 : n);
        return path;
      }
    }
  };

  return names.map((name, index) => {
    const parts = (name ?? "").split(/[\\/]+/).map(safePart);
    const kept = parts.filter((part) => part !== "");
    const file = kept.pop() ?? `image-${String(index + 1).padStart(6, "0")}`;
    let folder = "";
    for (const part of kept.slice(-8)) folder = `${claim(folder, part, "folder")}/`;
    return claim(folder, file, "file");
  });
}

/** One folder or file name without danger; empty for "", "." and "..". */
function safePart(part: string): string {
  let safe = part.replace(FORBIDDEN, "_");
  if (/^[. ]*$/.test(safe)) return "";
  safe = safe.replace(/[. ]+$/, "").replace(/^ +/, "");
  const { stem, extension } = splitExtension(safe);
  const letters = [...stem];
  if (letters.length > LONGEST)
    safe =
      letters
        .slice(0, LONGEST)
        .join("")
        .replace(/[. ]+$/, "") + extension;
  return DEVICE.test(safe) ? `_${safe}` : safe;
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
