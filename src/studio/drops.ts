/** Files and folders that are dropped on the page. */

export interface DroppedFile {
  /** With the folders that it lies in. */
  readonly path: string;
  readonly file: File;
}

/** All files of a drop, folders opened, in order of their paths. */
export async function filesOf(transfer: DataTransfer): Promise<DroppedFile[]> {
  // The list of items is emptied as soon as this function waits.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const loose = [...transfer.files].map((file) => ({ path: file.name, file }));
  if (!entries.some((entry) => entry?.isDirectory)) return loose;
  const found = await Promise.all(entries.filter((entry) => entry !== null).map((entry) => below(entry)));
  return found.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function below(entry: FileSystemEntry): Promise<DroppedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: DroppedFile[] = [];
  for (;;) {
    // A browser gives at most a hundred entries at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return inside;
    for (const one of some) inside.push(...(await below(one)));
  }
}

/** Whether the files are those of a model's folder. */
export const isModel = (files: readonly DroppedFile[]): boolean =>
  files.some(({ path }) => /(^|\/)model\.safetensors$/.test(path));
