/** The lines of a run's log.jsonl, read back. Free of Node: the studio's page reads logs too. */

export type LogEntry = Readonly<Record<string, unknown>>;

/** Whole lines; those that are not, of a process that was killed, are passed over. */
export function logEntries(text: string): LogEntry[] {
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as LogEntry];
    } catch {
      return [];
    }
  });
}

/** A number of an entry by the first of these names that holds one; null where none does. */
export function numberIn(entry: LogEntry, ...names: readonly string[]): number | null {
  const found = names.map((name) => entry[name]).find((value) => typeof value === "number" && Number.isFinite(value));
  return (found as number | undefined) ?? null;
}

/** The loss of a step, or the figure of a test. Logs of earlier versions call the loss by its unit. */
export const figureOf = (entry: LogEntry): number | null => numberIn(entry, "loss", "nats", "squaredError");

/**
 * Of a run's tests, by the images of each: those on more images than the smallest. The test at a run's end is one, and
 * stays one in the middle of a run that went on. The first images of a set may be easier than the rest.
 */
export function onMoreImages(images: readonly (number | null)[]): boolean[] {
  const fewest = Math.min(...images.filter((count) => count !== null));
  return images.map((count) => count !== null && count > fewest);
}

/** A moving average with weights that fall by `weight`; without the pull of its start to zero. */
export function smoothed(values: readonly number[], weight: number): number[] {
  let [sum, norm] = [0, 0];
  return values.map((value) => {
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}
