/**
 * From words to an exit code: finds the command, checks its options (an unknown one is an error that names the nearest), runs it, and
 * says what came of it. Results go to stdout, messages to stderr; with --json stdout is exactly one object, an error too.
 * citty reads the options and writes the usage; what it lets pass (unknown options, missing values, repeats) is checked here.
 */

import { parseArgs as parseTokens, stripVTControlCharacters } from "node:util";
import { type ArgsDef, type ParsedArgs, parseArgs, renderUsage } from "citty";
import { type ErrorKind, fail, PixelcnnError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
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
}

export interface Outcome {
  /** What --json prints. */
  readonly json: object;
  /** What a person reads instead; nothing where the messages said it all. */
  readonly text?: string;
  /** Exit code of work that was done, but not all of it; default 0. */
  readonly code?: number;
}

export interface Command<T extends ArgsDef = ArgsDef> {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly args: T;
  /** Options that may be given more than once. */
  readonly repeated?: readonly string[];
  /** Whether the last positional argument stands for any number. */
  readonly many?: boolean;
  /** Whole command lines, without the `pixelcnn` in front. */
  readonly examples: readonly string[];
  run(args: ParsedArgs<T>, context: CommandContext): Promise<Outcome>;
}

/** Types a command by its own options. */
export function defineCommand<const T extends ArgsDef>(command: Command<T>): Command<T> {
  return command;
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
  readonly commands: Readonly<Record<string, () => Promise<Command<never>>>>;
}

const EXIT_CODES: Partial<Record<ErrorKind, number>> = { usage: 2, interrupted: 130 };

/** Runs one command line and returns the exit code. */
export async function runProgram(program: Program, words: readonly string[]): Promise<number> {
  const terminal = openTerminal();
  const json = words.includes("--json");
  const stop = new AbortController();
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(130);
    terminal.note("stopping (once more to stop at once)");
    stop.abort(new PixelcnnError("interrupted", "interrupted"));
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    const outcome = await dispatch(program, words, terminal, stop.signal);
    terminal.endProgress();
    if (json && typeof outcome !== "string") await print(`${JSON.stringify(outcome.json)}\n`);
    else {
      const text = typeof outcome === "string" ? outcome : outcome.text;
      if (text) await print(`${text}\n`);
    }
    return typeof outcome === "string" ? 0 : (outcome.code ?? 0);
  } catch (thrown) {
    terminal.endProgress();
    const error = asError(thrown, stop.signal);
    terminal.note(`${error.kind === "interrupted" ? "" : "error: "}${error.message}`);
    if (error.kind === "internal" && process.env.PIXELCNN_DEBUG) terminal.note(String((thrown as Error).stack ?? thrown));
    if (json) await print(`${JSON.stringify({ error: { kind: error.kind, message: error.message } })}\n`);
    return EXIT_CODES[error.kind] ?? 1;
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
  // citty's own complaints are about the words that it was given.
  if (thrown instanceof Error && thrown.name === "CLIError")
    return new PixelcnnError("usage", stripVTControlCharacters(thrown.message));
  const hint = process.env.PIXELCNN_DEBUG ? "" : " (set PIXELCNN_DEBUG=1 for where)";
  return new PixelcnnError("internal", `${thrown instanceof Error ? thrown.message : String(thrown)}${hint}`);
}

async function dispatch(
  program: Program,
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Outcome | string> {
  const names = Object.keys(program.commands);
  const [first, ...rest] = words;
  if (first === "--version" || first === "-v") return program.version;
  if (first === "--help" || first === "-h" || first === "help") {
    const [asked] = rest;
    return asked !== undefined && program.commands[asked] ? usageOf(await program.commands[asked]()) : overview(program);
  }
  if (first === undefined) return fail("usage", `expected a command but received none\n\n${await overview(program)}`);
  const load = Object.hasOwn(program.commands, first) ? program.commands[first] : undefined;
  if (!load)
    return fail(
      "usage",
      `expected a command (${names.join(", ")}) but received ${JSON.stringify(first)}${didYouMean(first, names)}`,
    );
  const command = (await load()) as unknown as Command;
  if (rest.includes("--help") || rest.includes("-h")) return usageOf(command);
  const args = { ...command.args, ...EVERYWHERE } as ArgsDef;
  const { values, positionals } = checkWords(command, args, rest);
  const parsed = parseArgs(rest, args);
  return command.run(parsed as never, {
    terminal,
    signal,
    seed: numberOption("seed", values.get("seed")?.[0]),
    positionals,
    valuesOf: (option) => values.get(option) ?? [],
  });
}

/** Every option must exist, have a value where it needs one, and come once unless it may come more often. */
function checkWords(
  command: Command,
  args: ArgsDef,
  words: readonly string[],
): { values: Map<string, string[]>; positionals: string[] } {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const [name, definition] of Object.entries(args)) {
    if (definition.type === "positional") continue;
    const alias = "alias" in definition ? [definition.alias ?? []].flat().find((a) => a.length === 1) : undefined;
    options[name] = { type: definition.type === "boolean" ? "boolean" : "string", ...(alias ? { short: alias } : {}) };
  }
  const { tokens } = parseTokens({
    args: [...words],
    options,
    strict: false,
    allowPositionals: true,
    allowNegative: true,
    tokens: true,
  });
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
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
    if (option.type === "string" && !token.value) fail("usage", `expected a value for ${token.rawName} but received none`);
    const earlier = values.get(token.name);
    if (earlier && option.type === "string" && !command.repeated?.includes(token.name)) {
      fail(
        "usage",
        `expected ${token.rawName} once but received it again: ${JSON.stringify(earlier[0])} and ${JSON.stringify(token.value)}`,
      );
    }
    values.set(token.name, [...(earlier ?? []), token.value ?? ""]);
  }
  const places = Object.entries(args).filter(([, definition]) => definition.type === "positional");
  if (!command.many && positionals.length > places.length) {
    fail(
      "usage",
      `expected at most ${places.length} arguments (${places.map(([name]) => `<${name}>`).join(" ")}) but received ${JSON.stringify(positionals[places.length])} too`,
    );
  }
  places.forEach(([name, definition], i) => {
    if (definition.required !== false && positionals[i] === undefined)
      fail("usage", `expected <${name}> but received nothing: ${definition.description ?? ""}`);
  });
  return { values, positionals };
}

async function usageOf(command: Command): Promise<string> {
  const usage = await renderUsage(
    { meta: { name: command.name, description: command.summary }, args: { ...command.args, ...EVERYWHERE } as ArgsDef },
    { meta: { name: "pixelcnn" } },
  );
  const text = `${usage}\nEXAMPLES\n\n${command.examples.map((example) => `  pixelcnn ${example}`).join("\n")}`;
  return process.stdout.isTTY ? text : stripVTControlCharacters(text);
}

async function overview({ commands, version }: Program): Promise<string> {
  const all = await Promise.all(Object.values(commands).map((load) => load()));
  const width = Math.max(...all.map(({ name }) => name.length));
  return [
    `pixelcnn ${version}: autoregressive image models`,
    "",
    ...all.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "`pixelcnn <command> --help` shows its options and an example. Exit codes: 0 ok, 1 failed, 2 wrong usage, 130 interrupted.",
  ].join("\n");
}
