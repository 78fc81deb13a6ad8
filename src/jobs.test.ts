/** Lanes: order, how many at a time, and which error comes out. Shares of a job: their cuts. */

import { expect, test } from "vitest";
import { checkSignal, inLanes, shareOf } from "./jobs.ts";
import { randomFrom } from "./random.ts";

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

test("shares are neighbours, leave nothing out, and hold about as much work each", () => {
  const shares = (works: readonly number[], of: number): [number, number][] =>
    Array.from({ length: of }, (_, i) => {
      const { from, to } = shareOf(works, { index: i + 1, of });
      return [from, to];
    });
  expect(shares([1, 1, 1, 1], 2)).toEqual([
    [0, 2],
    [2, 4],
  ]);
  expect(shares([9, 1, 1, 1], 2)).toEqual([
    [0, 1],
    [1, 4],
  ]);
  const random = randomFrom(3);
  for (let round = 0; round < 200; round++) {
    const works = Array.from({ length: 1 + random.below(12) }, () => 1 + random.below(50));
    const of = 1 + random.below(15);
    const found = shares(works, of);
    expect(found[0]![0]).toBe(0);
    expect(found.at(-1)![1]).toBe(works.length);
    const total = works.reduce((a, b) => a + b, 0);
    found.forEach(([from, to], i) => {
      expect(from).toBeLessThanOrEqual(to);
      if (i > 0) expect(from).toBe(found[i - 1]![1]);
      // A cut lies within half an item of where it should be.
      const work = works.slice(from, to).reduce((a, b) => a + b, 0);
      expect(work).toBeLessThanOrEqual(total / of + Math.max(...works));
    });
  }
});
