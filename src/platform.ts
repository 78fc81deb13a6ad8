/** Whether this is Node or a browser, and Node's own modules, without an import that a bundler for browsers would follow. */

const { process } = globalThis as { process?: NodeJS.Process };

/** Electron's pages have a `process` too, but none of Node's modules unless they are allowed. */
export const inNode = process?.versions?.node !== undefined && typeof process.getBuiltinModule === "function";

/** One of Node's own modules; undefined in browsers. */
export function nodeModule<T>(name: `node:${string}`): T | undefined {
  return inNode ? (process!.getBuiltinModule(name) as T | undefined) : undefined;
}

/** Cores that this program may use. */
export function cores(): number {
  const os = nodeModule<typeof import("node:os")>("node:os");
  return os?.availableParallelism() ?? globalThis.navigator?.hardwareConcurrency ?? 1;
}

const said = new Set<string>();

/** Tells the developer something that is no error, once: one line of the console, which in Node is stderr. */
export function warn(text: string): void {
  if (said.has(text)) return;
  said.add(text);
  console.warn(`pixelcnn: ${text}`);
}
