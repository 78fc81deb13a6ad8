/** What goes through the store while a run trains, from whoever can write there. */

import { describe, expect, test } from "vitest";
import { pack, readTask, readTrainingOrder, unpack } from "../../src/queue/training-order.ts";
import { tinyRun } from "../../src/train/resume.test-support.ts";

describe("a head with numbers", () => {
  test("comes back, every bit of it, into memory of the reader's choice", () => {
    const numbers = Float32Array.of(0, -0, 1 / 3, Number.NaN, Number.NEGATIVE_INFINITY, 1e-45);
    // What arrives lies anywhere in a larger buffer.
    const bytes = Buffer.concat([Buffer.from("abc"), pack({ step: 3, loss: 1 / 3 }, numbers)]).subarray(3);
    const shared = unpack(bytes, (size) => new SharedArrayBuffer(size))!;
    expect(shared.head).toEqual({ step: 3, loss: 1 / 3 });
    expect(shared.numbers.buffer).toBeInstanceOf(SharedArrayBuffer);
    for (const got of [shared, unpack(bytes)!])
      expect(Buffer.from(got.numbers.slice().buffer)).toEqual(bodyOf(numbers));
    expect(unpack(pack({ type: "left" }))).toEqual({ head: { type: "left" }, numbers: new Float32Array(0) });
  });

  test("is nothing of other bytes", () => {
    for (const text of ["", "\n", "{}", "no json\nabcd", '"text"\n', "{}\nabc"])
      expect(unpack(Buffer.from(text))).toBe(null);
  });

  const bodyOf = ({ buffer }: Float32Array): Buffer => Buffer.from(buffer as ArrayBuffer);
});

test("a task is two whole numbers", () => {
  expect(readTask('{"step":2,"shard":0,"ahead":true}')).toEqual({ step: 2, shard: 0, ahead: true });
  expect(readTask('{"step":2,"shard":0}')).toEqual({ step: 2, shard: 0, ahead: false });
  for (const text of ["", "null", "{}", '{"step":-1,"shard":0}', '{"step":0.5,"shard":0}', '{"step":1,"shard":"0"}'])
    expect(readTask(text)).toBe(null);
});

test("an order of something else is refused by the field that is wrong", () => {
  const config = tinyRun({ budget: { steps: 3 } });
  const order = { version: "1.0.0", config, folder: "/runs/a", shard: 2, data: "0f" };
  const read = (change: object) => readTrainingOrder(JSON.stringify({ ...order, ...change }), "1.0.0");
  expect(read({})).toEqual(order);
  for (const [change, reason] of [
    [{ version: 1 }, "expected a run of pixelcnn but its version is another thing"],
    [{ version: "0.9.0", config: 1 }, "this worker is pixelcnn 1.0.0 but the run is of pixelcnn 0.9.0: start workers"],
    [{ folder: null }, "its folder is another thing"],
    [{ data: 5 }, "its fingerprint is another thing"],
    [{ shard: 3 }, "its shard is another thing"],
    [{ config: { ...config, train: { batch: 1e9 } } }, "train.batch"],
    [{ config: { ...config, more: 1 } }, "more"],
  ] as const)
    expect(() => read(change)).toThrow(reason);
  expect(() => readTrainingOrder("no json", "1.0.0")).toThrow("its version is another thing");
});
