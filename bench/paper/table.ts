/** The comparison as a table: one row a run, read from the run folders, and the published figures below. */

import { PUBLISHED } from "./families.ts";
import { finalTest, type RunRecord } from "./run-record.ts";

export type Part = "steps" | "time";

export const PART_TITLES: Record<Part, string> = {
  steps: "Equal parameters, equal steps",
  time: "Equal parameters, equal time",
};

export interface Row {
  readonly part: Part;
  readonly title: string;
  readonly parameters: number | null;
  readonly steps: number;
  /** Mean over the run; null before the first step is saved. */
  readonly msPerStep: number | null;
  readonly minutes: number;
  /** Whether the budget is used up. */
  readonly trained: boolean;
  readonly nats: number | null;
  readonly standardError: number | null;
  readonly testImages: number | null;
  /** One image, one thread, the exact engine; null where there are no weights yet. */
  readonly msPerSample: number | null;
}

export function rowOf(part: Part, title: string, record: RunRecord, msPerSample: number | null): Row {
  const { parameters, step, seconds, trained } = record;
  const test = finalTest(record);
  return {
    part,
    title,
    parameters,
    steps: step,
    msPerStep: step === 0 ? null : (1000 * seconds) / step,
    minutes: seconds / 60,
    trained,
    nats: test?.nats ?? null,
    standardError: test?.standardError ?? null,
    testImages: test?.images ?? null,
    msPerSample,
  };
}

const known = (value: number | null, digits: number): string => (value === null ? "-" : value.toFixed(digits));

/** Cells in columns of one width, which read well as text and as Markdown; numbers stand on the right. */
function aligned(lines: readonly (readonly string[])[], numbers: (column: number) => boolean): string {
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)));
  const written = lines.map((line) => {
    const cells = line.map((cell, i) => (numbers(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)));
    return `| ${cells.join(" | ")} |`;
  });
  const dashes = widths.map((width, i) => (numbers(i) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [written[0], `| ${dashes.join(" | ")} |`, ...written.slice(1)].join("\n");
}

const HEADS = ["family", "parameters", "steps", "ms a step", "minutes trained", "test nats", "images", "ms a sample"];

function tableOf(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.trained ? row.title : `${row.title} (not finished)`,
    row.parameters === null ? "-" : row.parameters.toLocaleString("en"),
    String(row.steps),
    known(row.msPerStep, 1),
    known(row.minutes, 2),
    row.nats === null ? "-" : `${row.nats.toFixed(2)} ± ${known(row.standardError, 2)}`,
    row.testImages === null ? "-" : row.testImages.toLocaleString("en"),
    known(row.msPerSample, 1),
  ]);
  return aligned([HEADS, ...lines], (column) => column > 0);
}

/** All of it, as Markdown. */
export function markdownOf(rows: readonly Row[]): string {
  const parts = (["steps", "time"] as const).map((part) => {
    const own = rows.filter((row) => row.part === part);
    return `## ${PART_TITLES[part]}\n\n${own.length === 0 ? "No run yet." : tableOf(own)}`;
  });
  const published = aligned(
    [
      ["published model", "test nats", "source"],
      ...PUBLISHED.map(({ title, nats, source }) => [title, nats.toFixed(2), source]),
    ],
    (column) => column === 1,
  );
  return [
    "# Four families on binarised MNIST",
    "Ours: dynamic binarisation. Each pixel is drawn with its grey level as the probability: the train set anew each " +
      "epoch, the test set once. Test nats are the mean over the test images, ± its standard error. Minutes are the " +
      "run's own clock, which stands still at checkpoints. A sample is one image from the exact engine, on one thread.",
    ...parts,
    "## Published",
    "On the static binarisation, and of models of other sizes: these numbers are not directly comparable with ours. " +
      "The paper of the Gated PixelCNN (arXiv 1606.05328) has no figure for MNIST.",
    `${published}\n`,
  ].join("\n\n");
}
