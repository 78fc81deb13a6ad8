/** Lanes: order, how many at a time, and which error comes out. */

import { expect, test } from "vitest";
import { checkSignal, inLanes } from "./jobs.ts";

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

test.each([1, 2, 3, 9])("all items, each once and in order, at most %i at a time", async (lanes) => {
  const begun: number[] = [];
  let [now, most] = [0, 0];
  await inLanes(7, lanes, async (item) => {
    begun.push(item);
    most = Math.max(most, ++now);
    await tick();
    now--;
  });
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(most).toBe(Math.min(lanes, 7));
  await inLanes(0, lanes, () => Promise.reject(new Error("nothing to do")));
});

test("an error ends it when all that had begun has ended; the first item's error is the one", async () => {
  const ended: number[] = [];
  const job = inLanes(6, 3, async (item) => {
    if (item === 2) throw new Error("item 2");
    await tick();
    ended.push(item);
    if (item === 1) throw new Error("item 1");
  });
  await expect(job).rejects.toThrow("item 1");
  expect(ended).toEqual([0, 1]);
});

test("an aborted signal is an error of one kind, with the reason as its cause", () => {
  const stop = new AbortController();
  expect(() => checkSignal(undefined)).not.toThrow();
  expect(() => checkSignal(stop.signal)).not.toThrow();
  stop.abort("enough");
  const cause = "enough";
  expect(() => checkSignal(stop.signal)).toThrow(
    expect.objectContaining({ kind: "interrupted", message: "stopped on request", cause }),
  );
});
