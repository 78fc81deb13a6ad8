/** Where no thread can start, the calling thread does the same work to the same bits, and says so once. */

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { compress, decompress } from "../codec/compress.ts";
import { createEngine } from "../exact/engine.ts";
import { openModel } from "../runs/open-model.ts";
import { NotStarted, type Thread, webThread } from "./thread.ts";

const model = await openModel("mnist-binary");

let warned: string[];
beforeEach(() => {
  warned = [];
  vi.spyOn(console, "warn").mockImplementation((text: string) => void warned.push(text));
});
afterEach(() => void vi.restoreAllMocks());

/** A thread whose script is not found: it says so later, as a browser does. */
function lost<To, From>(): Thread<To, From> {
  return {
    send: () => undefined,
    listen: (_, onBroken) => void setTimeout(() => onBroken(new NotStarted("its script did not load")), 5),
    hold: () => undefined,
    end: async () => undefined,
  };
}
const refused = (): never => {
  throw new Error("no workers here");
};

test("the engine works and stops as with threads, whether they fail to load or may not start", async () => {
  const plain = createEngine(model);
  const drawn = await plain.sample({ count: 5, seed: 3 });
  const bits = await plain.score({ images: drawn });
  for (const startThread of [lost, refused] as (() => Thread<never, never>)[]) {
    const engine = createEngine(model, { threads: 2, startThread });
    const progress: number[] = [];
    const again = await engine.sample({ count: 5, seed: 3, onProgress: ({ done }) => progress.push(done) });
    expect(again.pixels).toEqual(drawn.pixels);
    expect(progress.at(-1)).toBe(5 * 28);
    expect(await engine.score({ images: drawn })).toEqual(bits);
    const controller = new AbortController();
    const onProgress = (): void => controller.abort();
    const stopped = engine.sample({ count: 4, signal: controller.signal, onProgress });
    await expect(stopped).rejects.toMatchObject({ kind: "interrupted" });
    const closed = engine.sample({ count: 4 });
    const refusedAtClose = expect(closed).rejects.toMatchObject({ kind: "interrupted" });
    await engine.close();
    await refusedAtClose;
  }
  expect(warned).toHaveLength(2); // one of each reason, however many threads
  for (const text of warned)
    expect(text).toMatch(/^pixelcnn: no thread could start .* pass startThread: .*pixelcnn\/worker/);
});

test("the codec codes groups as with threads", async () => {
  const images = await createEngine(model).sample({ count: 4, seed: 9 });
  const file = await compress(model, images, { groupSize: 1 });
  for (const startThread of [lost, refused] as (() => Thread<never, never>)[]) {
    const options = { threads: 2, startThread };
    expect(await compress(model, images, { ...options, groupSize: 1 })).toEqual(file);
    const restored = await decompress(model, file, options);
    expect(restored.flatMap(({ pixels }) => [...pixels])).toEqual([...images.pixels]);
  }
  expect(warned).toHaveLength(2); // one of each reason
  for (const text of warned) expect(text).toContain("pixelcnn/codec-worker");
});

test("a web worker's event without words means that its script did not load", () => {
  const worker = {
    postMessage: () => undefined,
    terminate: () => undefined,
    onmessage: null,
    onerror: null,
  } as unknown as {
    onerror: (event: { message?: string }) => void;
  };
  const broken: unknown[] = [];
  webThread(worker as never).listen(
    () => undefined,
    (error) => broken.push(error),
  );
  worker.onerror({});
  worker.onerror({ message: "it threw" });
  expect(broken[0]).toBeInstanceOf(NotStarted);
  expect(broken[1]).toBe("it threw");
});
