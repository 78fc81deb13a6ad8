/** Numbers and names as words, for all messages alike. */

/** Seconds as `3:21` or `1:02:03`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A number with three significant digits. */
export function rounded(value: number): string {
  return value >= 100
    ? value.toFixed(0)
    : value
        .toPrecision(3)
        .replace(/(\.\d*?)0+$/, "$1")
        .replace(/\.$/, "");
}

/** `1 image`, `2 images`. */
export function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/**
 * A name or text of a user's as a message shows it: on one line, and with nothing that moves the cursor, changes
 * colours or reorders what is read. Joiners stay: names in emoji and in some scripts need them.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (letter) => {
    if (letter === "\u200c" || letter === "\u200d") return letter;
    const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[letter];
    const code = letter.codePointAt(0)!;
    return short ?? (code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
  });
}

/** A text of several lines, each {@link printable}. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");

/** A word for the shell: quoted when it needs to be. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBUSY: "it is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it is a file, not a folder",
  EFBIG: "it is too large for this disk",
  EIO: "the disk reports an error",
  EISDIR: "it is a folder",
  ELOOP: "its links lead in a circle",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
  ENOENT: "there is no such file or folder",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of its path is a file, not a folder",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
};

/** Why something failed, for the end of a message: a system's error in plain words, another's own text. */
export function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  const known = typeof code === "string" ? SYSTEM_ERRORS[code] : undefined;
  return known ?? (error instanceof Error ? error.message : String(error));
}

/** Rows of a name and a value, aligned. */
export function alignedRows(rows: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${printable(String(value))}`).join("\n");
}
