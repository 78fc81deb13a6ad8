/** A queue whose store speaks TLS, with a certificate that nobody else has signed. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Started, scratchFolder, start } from "../../src/cli/command-line.test-support.ts";
import { modelAt, NETWORK, patternFolder } from "../../src/cli/small-models.test-support.ts";
import { hasRedis, startRedis } from "./redis.test-support.ts";

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
const scratch = realpathSync(scratchFolder("tls"));
const started: Started[] = [];
afterAll(async () => {
  for (const { child } of started) child.kill("SIGKILL");
  await Promise.all(started.map(({ finished }) => finished));
  rmSync(scratch, { recursive: true, force: true });
});

function begin(words: readonly string[], env: Record<string, string> = {}): Started {
  const process = start(words, { cwd: scratch, env });
  started.push(process);
  return process;
}

describe.skipIf(!hasRedis || !hasOpenssl)("TLS (skipped without redis-server and openssl)", () => {
  test("works with a certificate that Node is told of, and refuses one that it is not", async () => {
    mkdirSync(join(scratch, "redis"));
    const [certificate, key] = ["cert.pem", "key.pem"].map((name) => join(scratch, "redis", name)) as [string, string];
    const made = spawnSync("openssl", [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
      ...["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
    ]);
    expect(made.status, String(made.stderr)).toBe(0);
    const redis = await startRedis(join(scratch, "redis"), { password: "secret", tls: { certificate, key } });
    try {
      modelAt(join(scratch, "binary"), NETWORK, { data: { source: "mnist", binarise: "threshold" } });
      patternFolder(join(scratch, "patterns"), 4);
      const words = ["score", "binary", "patterns"];
      const queue = ["--queue", redis.url, "--shards", "2"];
      const known = { PIXELCNN_QUEUE_PASSWORD: "secret", NODE_EXTRA_CA_CERTS: certificate };
      await begin(["worker", "--queue", redis.url, "--folder", scratch], known).stderrHas("waiting for shards");
      expect(await begin([...words, "--csv", "one.csv"]).finished).toMatchObject({ code: 0 });
      expect(await begin([...words, ...queue, "--csv", "two.csv"], known).finished).toMatchObject({ code: 0 });
      expect(readFileSync(join(scratch, "two.csv"))).toEqual(readFileSync(join(scratch, "one.csv")));

      const { code, stderr } = await begin([...words, ...queue, "--csv", "three.csv"]).finished;
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("self-signed certificate") });
      expect(stderr).toContain("NODE_EXTRA_CA_CERTS");
    } finally {
      await redis.kill();
    }
  });
});
