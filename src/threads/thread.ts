/** A thread: the small interface that Node's workers and web workers have in common. */

import { warn } from "../platform.ts";

/** `To` are the messages that the thread understands, `From` those that it sends. */
export interface Thread<To = unknown, From = unknown> {
  send(message: To): void;
  /** Called with every message, and with an error when the thread itself breaks. */
  listen(onMessage: (message: From) => void, onBroken: (error: unknown) => void): void;
  /** Whether the process should stay alive for this thread. */
  hold(busy: boolean): void;
  end(): Promise<void>;
}

/** What a thread does with each message; `post` sends one back. */
export type Serve<To, From> = (
  post: (message: From, transfer?: readonly ArrayBuffer[]) => void,
) => (message: To) => Promise<void>;

/** A thread that never ran: its script did not load, or no thread may start here. */
export class NotStarted extends Error {}

/** What is used of a page's Worker: programs for Node alone have no such type. */
export interface WebWorker {
  postMessage(message: unknown): void;
  terminate(): void;
  onmessage: unknown;
  onerror: unknown;
}

/** A thread from a web worker: for bundlers that need to see the worker's own expression. */
export function webThread<To, From>(worker: WebWorker): Thread<To, From> {
  return {
    send: (message) => worker.postMessage(message),
    listen(onMessage, onBroken) {
      worker.onmessage = (event: { data: unknown }) => onMessage(event.data as From);
      // A script that is not found, or may not run, gives an event without words.
      worker.onerror = (event: { message?: string }) =>
        onBroken(event.message || new NotStarted("its script did not load"));
    },
    hold: () => undefined,
    end: async () => worker.terminate(),
  };
}

/** Stands in for a thread where none can start: does its work here, and lets others run in between. */
export function callingThread<To, From>(serve: Serve<To, From>, stop: To): Thread<To, From> {
  let listener: ((message: From) => void) | undefined;
  const receive = serve((message) => listener?.(message));
  return {
    send: (message) => queueMicrotask(() => void receive(message)),
    listen(onMessage) {
      listener = onMessage;
    },
    hold: () => undefined,
    async end() {
      listener = undefined;
      await receive(stop);
    },
  };
}

/**
 * Says, once, that the calling thread does the work of threads that cannot start. `worker` is the door of the package
 * that holds their script.
 */
export function warnNotStarted(error: NotStarted, worker: string): void {
  warn(
    `no thread could start (${error.message}), so the calling thread works alone: same results, later. ` +
      "Where the bundler does not find the worker by itself, pass startThread: " +
      `() => webThread(new Worker(URL of the bundled pixelcnn/${worker}, { type: "module" })); see docs/web.md`,
  );
}
