/** A thread, whoever runs it: the little that Node's workers and web workers have in common. */

/** `To` are the messages that the thread understands, `From` those that it sends. */
export interface Thread<To = unknown, From = unknown> {
  send(message: To): void;
  /** Called with every message, and with an error when the thread itself breaks. */
  listen(onMessage: (message: From) => void, onBroken: (error: unknown) => void): void;
  /** Whether the process should stay alive for this thread. */
  hold(busy: boolean): void;
  end(): Promise<void>;
}

/** A thread from a web worker: for bundlers that need to see the worker's own expression. */
export function webThread<To, From>(worker: Worker): Thread<To, From> {
  return {
    send: (message) => worker.postMessage(message),
    listen(onMessage, onBroken) {
      worker.onmessage = (event) => onMessage(event.data as From);
      // A script that is not found gives an event without words.
      worker.onerror = (event) =>
        onBroken(
          event.message ||
            "its script did not load. Where the bundler does not find the worker by itself, pass startThread: " +
              '() => webThread(new Worker(new URL("pixelcnn/worker", import.meta.url), { type: "module" }))',
        );
    },
    hold: () => undefined,
    end: async () => worker.terminate(),
  };
}
