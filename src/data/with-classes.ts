/** A data set's labels as another list of classes numbers them, by name. */

import { copyBeside, type Dataset, datasetOf, partsOf } from "./dataset.ts";

/**
 * The same images under `classes`, where these hold all classes of the data; which of them the data lack does not
 * matter. Data of other classes, or of none, stay as they are: what needs classes refuses them.
 */
export function withClasses(dataset: Dataset, classes: readonly string[]): Dataset {
  const own = dataset.classes;
  if (own === null || (own.length === classes.length && own.every((name, i) => name === classes[i]))) return dataset;
  const places = new Map(classes.map((name, i) => [name.normalize("NFC"), i]));
  const numbers = own.map((name) => places.get(name.normalize("NFC")) ?? -2);
  if (numbers.includes(-2)) return dataset;
  const renumbered = (label: number): number => (label < 0 ? -1 : numbers[label]!);
  const parts = partsOf(dataset);
  return datasetOf(
    {
      ...parts,
      classes,
      ...(dataset.labelOf && { labelOf: (index: number) => renumbered(dataset.labelOf!(index)) }),
    },
    async (indices, pixels, labels, epoch, vectors) => {
      const batch = await dataset.batch(indices, { epoch });
      pixels.set(batch.pixels);
      copyBeside(batch, labels, vectors);
      labels.forEach((label, i) => {
        labels[i] = renumbered(label);
      });
    },
  );
}
