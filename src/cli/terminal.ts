/**
 * What a user sees while a command works: messages and one progress line, all on stderr, so that stdout holds results
 * alone. On a terminal the progress line is rewritten in place; elsewhere it becomes plain lines, one every few seconds
 * at most.
 */

import type { LabelledProgress, OnProgress } from "../jobs.ts";
import { duration, printableLines, rounded } from "../words.ts";

export interface Terminal {
  /** A line that stays. */
  readonly note: (text: string) => void;
  /** A line that stays and starts with "warning:". */
  readonly warn: (text: string) => void;
  /** Replaces the progress line; on no terminal, a line when the last is `lineEvery` old. */
  progress(text: string): void;
  /** Removes the progress line, or, with `keep`, leaves its last text as a line. */
  endProgress(options?: { keep?: boolean }): void;
  /** A progress function for a count of things, with rate and time left. */
  counter(label: string, unit: string): OnProgress;
}

/** Milliseconds between two rewrites of the progress line, and between two plain lines. */
const REWRITE_EVERY = 100;
const LINE_EVERY = 5000;

export interface Screen {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export function openTerminal(screen: Screen = process.stderr, now: () => number = () => performance.now()): Terminal {
  const live = screen.isTTY === true;
  let shown = "";
  let waiting = "";
  let last = Number.NEGATIVE_INFINITY;
  const clear = (): void => {
    if (shown) screen.write("\r\x1b[K");
    shown = "";
  };
  const draw = (text: string): void => {
    // A line that wraps could not be taken back.
    shown = text.slice(0, Math.max(20, (screen.columns ?? 80) - 1));
    screen.write(`\r\x1b[K${shown}`);
  };
  const note = (text: string): void => {
    const line = shown;
    clear();
    screen.write(`${printableLines(text)}\n`);
    if (line) draw(line);
  };
  const progress = (text: string): void => {
    waiting = text;
    if (now() - last < (live ? REWRITE_EVERY : LINE_EVERY)) return;
    last = now();
    waiting = "";
    if (live) draw(text);
    else screen.write(`${text}\n`);
  };
  return {
    note,
    warn: (text) => note(`warning: ${text}`),
    progress,
    endProgress({ keep = false } = {}) {
      const text = waiting || (live ? shown : "");
      clear();
      if (keep && text) screen.write(`${text}\n`);
      waiting = "";
      // On a terminal the next line may come at once; elsewhere every line stays, and they keep their distance.
      if (live) last = Number.NEGATIVE_INFINITY;
    },
    counter(label, unit) {
      const started = now();
      return ({ done, total }) => {
        const seconds = (now() - started) / 1000;
        // What is over in a moment needs no line, and a rate needs a moment.
        if (seconds < 1) return;
        const rate = done / seconds;
        const left = done > 0 ? `  ${duration((total - done) / rate)} left` : "";
        progress(`${label}  ${done}/${total} ${unit}  ${rounded(rate)} ${unit}/s${left}`);
      };
    },
  };
}

/** A progress line over several counts, one after another; `unitOf` says what each counts. */
export function labelledProgress(
  terminal: Terminal,
  unitOf: (label: string) => string,
): (progress: LabelledProgress) => void {
  let shown: { what: string; count: OnProgress } | undefined;
  return ({ what, ...progress }) => {
    if (what !== shown?.what) shown = { what, count: terminal.counter(what, unitOf(what)) };
    shown.count(progress);
  };
}

/** A progress line of images, whose clock starts with the first of them and not with what comes before. */
export function imageProgress(terminal: Terminal, what: string): OnProgress {
  const show = labelledProgress(terminal, () => "images");
  return (progress) => show({ what, ...progress });
}
