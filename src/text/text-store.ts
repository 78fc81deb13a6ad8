/**
 * Vectors of texts on disk, so that each text is embedded once: `<stem>.npy`, one row per text, and `<stem>.json`,
 * which names the embedder and the texts. Both are written whole; the JSON holds the digest of the rows, so a pair that
 * does not belong together is passed over and made again, as is a store of another embedder.
 */

import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { readNpy, writeNpy } from "../data/npy.ts";

/** Each text's vector; all of one size. */
export type TextStore = Map<string, Float32Array>;

const headSchema = z.strictObject({
  format: z.literal(1),
  embedder: z.string(),
  /** SHA-256 of the .npy file. */
  digest: z.string(),
  /** Row i is the vector of texts[i]. */
  texts: z.array(z.string()),
});

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** What the store holds of this embedder; nothing where there is no whole store: then its texts are embedded anew. */
export async function readTextStore(stem: string, embedder: string): Promise<TextStore> {
  try {
    const head = headSchema.parse(JSON.parse(await readFile(`${stem}.json`, "utf8")));
    const bytes = await readFile(`${stem}.npy`);
    if (head.embedder !== embedder || digestOf(bytes) !== head.digest) return new Map();
    const { shape, data } = readNpy(bytes, `${stem}.npy`);
    const [rows = 0, size = 0] = shape;
    if (!(data instanceof Float32Array) || shape.length !== 2 || rows !== head.texts.length) return new Map();
    return new Map(head.texts.map((text, i) => [text, data.subarray(i * size, (i + 1) * size)]));
  } catch {
    // Absent, cut short or not ours.
    return new Map();
  }
}

/** Writes the store, or throws what the system said. */
export async function writeTextStore(stem: string, embedder: string, store: TextStore): Promise<void> {
  const texts = [...store.keys()];
  const size = store.get(texts[0]!)?.length ?? 0;
  const numbers = new Float32Array(texts.length * size);
  for (const [i, text] of texts.entries()) numbers.set(store.get(text)!, i * size);
  const bytes = writeNpy([texts.length, size], numbers);
  await mkdir(dirname(stem), { recursive: true });
  await writeWhole(`${stem}.npy`, bytes);
  const head: z.infer<typeof headSchema> = { format: 1, embedder, digest: digestOf(bytes), texts };
  await writeWhole(`${stem}.json`, JSON.stringify(head));
}

async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = `${path}.part-${randomBytes(6).toString("hex")}`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
