/** A Redis of the test's own: on loopback, at a free port, with its append-only file in a folder that can be kept. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** One command, by a client of its own. */
  ask(...words: [string, ...string[]]): Promise<unknown>;
  /** Ends it as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and files. */
  start(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** `tls`: names of PEM files; the port then speaks TLS alone. */
export interface RedisRules {
  readonly password?: string;
  readonly tls?: { readonly certificate: string; readonly key: string };
}

export async function startRedis(folder: string, { password, tls }: RedisRules = {}): Promise<TestRedis> {
  const port = await freePort();
  const at = tls
    ? [
        ...["--port", "0", "--tls-port", String(port), "--tls-cert-file", tls.certificate],
        ...["--tls-key-file", tls.key, "--tls-ca-cert-file", tls.certificate, "--tls-auth-clients", "no"],
      ]
    : ["--port", String(port)];
  const rules = [...at, "--bind", "127.0.0.1", "--dir", folder, "--appendonly", "yes", "--save", ""];
  if (password !== undefined) rules.push("--requirepass", password);
  let server: ChildProcess | null = null;
  const ask = async (...[command, ...words]: [string, ...string[]]): Promise<unknown> => {
    const client = new Redis({
      ...{ host: "127.0.0.1", port, password, lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null },
      ...(tls ? { tls: { ca: readFileSync(tls.certificate) } } : {}),
    });
    client.on("error", () => undefined);
    try {
      await client.connect();
      return await client.call(command, ...words);
    } finally {
      client.disconnect();
    }
  };
  const redis: TestRedis = {
    port,
    url: `${tls ? "rediss" : "redis"}://127.0.0.1:${port}`,
    ask,
    async kill() {
      if (!server) return;
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
      server = null;
    },
    async start() {
      server = spawn("redis-server", rules, { stdio: "ignore" });
      for (let tries = 0; tries < 100; tries++) {
        if ((await ask("PING").catch(() => null)) === "PONG") return;
        await pause(50);
      }
      throw new Error("redis-server does not answer");
    },
  };
  await redis.start();
  return redis;
}
