/**
 * The models that ship with the package, by name. Each file is named by a URL of its own, written out, so that a
 * bundler sees it and takes it along; in Node the same URLs are paths. A test holds the list against the folder
 * models/. Where a name has got better weights, the earlier ones stay under a name of their own, which lists leave out:
 * archives that were coded with them open as before.
 */

interface ShippedFiles {
  readonly config: URL;
  readonly weights: URL;
}

const FILES: Readonly<Record<string, () => ShippedFiles>> = {
  emoji: () => ({
    config: new URL("../../models/emoji/config.json", import.meta.url),
    weights: new URL("../../models/emoji/model.safetensors", import.meta.url),
  }),
  "fashion-mnist": () => ({
    config: new URL("../../models/fashion-mnist/config.json", import.meta.url),
    weights: new URL("../../models/fashion-mnist/model.safetensors", import.meta.url),
  }),
  mnist: () => ({
    config: new URL("../../models/mnist/config.json", import.meta.url),
    weights: new URL("../../models/mnist/model.safetensors", import.meta.url),
  }),
  "mnist-binary": () => ({
    config: new URL("../../models/mnist-binary/config.json", import.meta.url),
    weights: new URL("../../models/mnist-binary/model.safetensors", import.meta.url),
  }),
};

/** Weights that a name had before. */
const EARLIER: Readonly<Record<string, () => ShippedFiles>> = {
  "fashion-mnist-1": () => ({
    config: new URL("../../models/fashion-mnist-1/config.json", import.meta.url),
    weights: new URL("../../models/fashion-mnist-1/model.safetensors", import.meta.url),
  }),
};

/** Names of the models in the package, in order. */
export const shippedModels = (): string[] => Object.keys(FILES);

/** Names of the weights that some of these had before. */
export const earlierModels = (): string[] => Object.keys(EARLIER);

/** Where the files of a shipped model are, of an earlier one too; undefined for another name. */
export function shippedFiles(name: string): ShippedFiles | undefined {
  const all = { ...FILES, ...EARLIER };
  return Object.hasOwn(all, name) ? all[name]!() : undefined;
}
