/**
 * From words to an exit code: finds the command, checks its options (an unknown one is an error that names the
 * nearest), runs it, and says what came of it. Results go to stdout, messages to stderr; with --json stdout is exactly
 * one object, an error too. Node's parser splits the words; citty writes the usage and types the options.
 */

import { parseArgs, stripVTControlCharacters } from "node:util";
import { type ArgsDef, type ParsedArgs, renderUsage } from "citty";
import { type ErrorKind, fail, PixelcnnError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { Report } from "../reports/report.ts";
import { printableLines } from "../words.ts";
import { numberOption } from "./options/number-option.ts";
import { openTerminal, type Terminal } from "./terminal.ts";

export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted by the first Ctrl-C; the second ends the process. */
  readonly signal: AbortSignal;
  /** --seed; each command says what it draws when none is given. */
  readonly seed: number | undefined;
  /** Every value of an option that may be given more than once. */
  valuesOf(option: string): string[];
  /** All positional arguments. */
  readonly positionals: readonly string[];
  /** The options that were given, by name, with their values or true; and the positional arguments. */
  readonly words: GivenWords;
  /** Leaves stdout to a file that the command writes there: what else it says goes to stderr. */
  keepStdout(): void;
}

export interface GivenWords {
  readonly options: Readonly<Record<string, readonly string[] | true>>;
  readonly positionals: readonly string[];
}

/** Options and positional arguments by their names; absent where none was given. */
type Words = Record<string, string | boolean>;

export interface Command<Args = Words> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly args: ArgsDef;
  /** Options that may be given more than once. */
  readonly repeated?: readonly string[];
  /** Whether the last positional argument stands for any number. */
  readonly many?: boolean;
  /** Whether it saves what it did before it ends on a signal, however long that takes. */
  readonly saves?: boolean;
  /** Whole command lines, without the `pixelcnn` in front. */
  readonly examples: readonly string[];
  run(args: Args, context: CommandContext): Promise<Report>;
}

/** Types what a command runs on by its own options: readWords reads them by `args`. */
export function defineCommand<const T extends ArgsDef>(
  command: Command<ParsedArgs<T>> & { readonly args: T },
): Command {
  return command as unknown as Command;
}

/** Options of every command. */
const EVERYWHERE = {
  seed: { type: "string", description: "Names everything that is drawn", valueHint: "S" },
  json: { type: "boolean", description: "Print one JSON object on stdout, an error too" },
  help: { type: "boolean", alias: "h", description: "Show this text" },
} as const satisfies ArgsDef;

export interface Program {
  readonly version: string;
  /** Loaded when asked for: the list of commands must not wait for a runtime. */
  readonly commands: Readonly<Record<string, () => Promise<{ readonly default: Command }>>>;
}

/** Exit codes of what was stopped: 128 and the signal's number, as shells count. */
const STOPS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, EPIPE: 141 } as const;
/** Milliseconds that a command which saves nothing may take to end. */
const GRACE = 2000;

const EXIT_CODES: Partial<Record<ErrorKind, number>> = { usage: 2, interrupted: 130 };

/** Ends the process even where a thread waits for the system: `process.exit` would wait for that thread. */
function endNow(by: keyof typeof STOPS): void {
  if (by === "EPIPE") process.exit(STOPS[by]);
  process.removeAllListeners(by);
  process.kill(process.pid, by);
}

/** Runs one command line and returns the exit code. */
export async function runProgram(program: Program, words: readonly string[]): Promise<number> {
  const terminal = openTerminal();
  const json = words.includes("--json");
  const stop = new AbortController();
  let kept = false;
  const keepStdout = (): void => {
    kept = true;
  };
  let stopped: keyof typeof STOPS | null = null;
  let saves = false;
  const onStop = (by: keyof typeof STOPS): void => {
    if (stopped !== null) {
      // Whoever reads us has gone, maybe on both streams: that is one wish to stop, not two.
      if (by !== "EPIPE") process.exit(STOPS[by]);
      return;
    }
    stopped = by;
    if (by !== "EPIPE") terminal.note(saves ? "stopping (once more to stop at once)" : "stopping");
    stop.abort(new PixelcnnError("interrupted", "interrupted"));
    // What saves ends by itself; nothing else may wait for a disk, a pipe or a network that does not answer.
    if (!saves) setTimeout(() => endNow(by), GRACE).unref();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => onStop(signal));
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") onStop("EPIPE");
    });
  try {
    const outcome = await dispatch(program, words, terminal, stop.signal, keepStdout, (command) => {
      saves = command.saves === true;
    });
    terminal.endProgress();
    if (kept) {
      if (typeof outcome !== "string" && outcome.text) terminal.note(outcome.text);
    } else if (json && typeof outcome !== "string") await print(`${JSON.stringify(outcome.json)}\n`);
    else {
      // Of an outcome, names may come from anyone; usage is ours, and may have colours.
      const text = typeof outcome === "string" ? outcome : outcome.text && printableLines(outcome.text);
      if (text) await print(`${text}\n`);
    }
    return typeof outcome === "string" ? 0 : (outcome.code ?? 0);
  } catch (thrown) {
    terminal.endProgress();
    const error = asError(thrown, stop.signal);
    terminal.note(`${error.kind === "interrupted" ? "" : "error: "}${error.message}`);
    if (error.kind === "internal" && process.env.PIXELCNN_DEBUG)
      terminal.note(String((thrown as Error).stack ?? thrown));
    if (json && !kept) await print(`${JSON.stringify({ error: { kind: error.kind, message: error.message } })}\n`);
    return error.kind === "interrupted" && stopped !== null ? STOPS[stopped] : (EXIT_CODES[error.kind] ?? 1);
  }
  // The handlers stay: a second signal that comes while the process is ending must not change its exit code.
}

/** Writes to stdout and waits until it is out; a reader that has gone (`| head`) is no error. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.once("error", () => resolve());
    process.stdout.write(text, () => resolve());
  });
}

function asError(thrown: unknown, signal: AbortSignal): PixelcnnError {
  if (thrown instanceof PixelcnnError) return thrown;
  if (signal.aborted) return new PixelcnnError("interrupted", "interrupted");
  const hint = process.env.PIXELCNN_DEBUG ? "" : " (set PIXELCNN_DEBUG=1 for where)";
  return new PixelcnnError("internal", `${thrown instanceof Error ? thrown.message : String(thrown)}${hint}`);
}

async function dispatch(
  program: Program,
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
  keepStdout: () => void,
  onCommand: (command: Command) => void,
): Promise<Report | string> {
  const names = Object.keys(program.commands);
  const [first, ...rest] = words;
  if (first === "--version" || first === "-v") return program.version;
  if (first === "--help" || first === "-h" || first === "help") {
    const [asked] = rest;
    return asked !== undefined && program.commands[asked]
      ? usageOf((await program.commands[asked]()).default)
      : overview(program);
  }
  if (first === undefined) return fail("usage", `expected a command but received none\n\n${await overview(program)}`);
  const load = Object.hasOwn(program.commands, first) ? program.commands[first] : undefined;
  if (!load)
    return fail(
      "usage",
      `expected a command (${names.join(", ")}) but received ${JSON.stringify(first)}${didYouMean(first, names)}`,
    );
  const { default: command } = await load();
  if (rest.includes("--help") || rest.includes("-h")) return usageOf(command);
  const { args, values, positionals, words: given } = readWords(command, rest);
  onCommand(command);
  return command.run(args, {
    terminal,
    signal,
    seed: numberOption("seed", values.get("seed")?.[0]),
    positionals,
    words: given,
    keepStdout,
    valuesOf: (option) => values.get(option) ?? [],
  });
}

interface ReadWords {
  readonly args: Words;
  /** All values of each option. */
  readonly values: ReadonlyMap<string, string[]>;
  readonly positionals: readonly string[];
  readonly words: GivenWords;
}

/** Every option must exist, have a value where it needs one, and come once unless it may come more often. */
export function readWords(command: Command, words: readonly string[]): ReadWords {
  const definitions: ArgsDef = { ...command.args, ...EVERYWHERE };
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  const places: [string, ArgsDef[string]][] = [];
  const args: Words = {};
  const positionals: string[] = [];
  for (const [name, definition] of Object.entries(definitions)) {
    if (definition.default !== undefined) args[name] = definition.default;
    if (definition.type === "positional") places.push([name, definition]);
    else {
      const type = definition.type === "boolean" ? "boolean" : "string";
      options[name] = "alias" in definition ? { type, short: String(definition.alias) } : { type };
    }
  }
  const how = { strict: false, allowPositionals: true, allowNegative: true, tokens: true } as const;
  const { tokens } = parseArgs({ args: [...words], options, ...how });
  const values = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = options[token.name];
    if (!option) {
      const known = Object.keys(options);
      const meant = didYouMean(token.name, known, "--") || `; \`pixelcnn ${command.name} --help\` lists them`;
      return fail("usage", `expected an option of \`pixelcnn ${command.name}\` but received ${token.rawName}${meant}`);
    }
    if (option.type === "boolean" && token.value !== undefined)
      fail("usage", `expected no value for ${token.rawName} but received ${JSON.stringify(token.value)}`);
    if (option.type === "string" && token.inlineValue === false && /^--?[a-z]/i.test(token.value ?? "")) {
      fail("usage", `expected a value for ${token.rawName} but received the option ${token.value}`);
    }
    if (option.type === "string" && !token.value)
      fail("usage", `expected a value for ${token.rawName} but received none`);
    const earlier = values.get(token.name);
    if (earlier && option.type === "string" && !command.repeated?.includes(token.name)) {
      fail(
        "usage",
        `expected ${token.rawName} once but received it again: ${JSON.stringify(earlier[0])} and ` +
          `${JSON.stringify(token.value)}`,
      );
    }
    values.set(token.name, [...(earlier ?? []), token.value ?? ""]);
    args[token.name] = token.value ?? !token.rawName.startsWith("--no-");
  }
  if (!command.many && positionals.length > places.length) {
    fail(
      "usage",
      `expected at most ${places.length} arguments (${places.map(([name]) => `<${name}>`).join(" ")}) but received ` +
        `${JSON.stringify(positionals[places.length])} too`,
    );
  }
  places.forEach(([name, definition], i) => {
    const given = positionals[i];
    if (given !== undefined) args[name] = given;
    else if (definition.required !== false)
      fail("usage", `expected <${name}> but received nothing: ${definition.description ?? ""}`);
  });
  const given = [...values]
    .map(([name, all]) => [name, options[name]?.type === "boolean" ? args[name] : all] as const)
    .filter((entry): entry is readonly [string, string[] | true] => entry[1] !== false);
  return { args, values, positionals, words: { options: Object.fromEntries(given), positionals } };
}

async function usageOf(command: Command): Promise<string> {
  const usage = await renderUsage(
    { meta: { name: command.name, description: command.summary }, args: { ...command.args, ...EVERYWHERE } },
    { meta: { name: "pixelcnn" } },
  );
  const text = `${usage}\nEXAMPLES\n\n${command.examples.map((example) => `  pixelcnn ${example}`).join("\n")}`;
  return process.stdout.isTTY ? text : stripVTControlCharacters(text);
}

async function overview({ commands, version }: Program): Promise<string> {
  const all = await Promise.all(Object.values(commands).map(async (load) => (await load()).default));
  const width = Math.max(...all.map(({ name }) => name.length));
  return [
    `pixelcnn ${version}: autoregressive image models`,
    "",
    ...all.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "`pixelcnn <command> --help` shows its options and an example. Exit codes: 0 ok, 1 failed, 2 wrong usage, " +
      "130 interrupted (143 by SIGTERM, 129 by SIGHUP, 141 when nobody reads its output any more).",
  ].join("\n");
}
