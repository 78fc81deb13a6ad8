/**
 * The models that ship with the package, by name. Each file is named by a URL of its own, written out, so that a
 * bundler sees it and takes it along; in Node the same URLs are paths. A test holds the list against the folder
 * models/.
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

/** Names of the models in the package, in order. */
export const shippedModels = (): string[] => Object.keys(FILES);

/** Where a shipped model's files are; undefined for another name. */
export const shippedFiles = (name: string): ShippedFiles | undefined =>
  Object.hasOwn(FILES, name) ? FILES[name]!() : undefined;
