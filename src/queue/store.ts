/**
 * The store of a queue: BullMQ on Redis or Valkey, both optional packages that are loaded when a queue is asked for.
 * Whatever is wrong with an address or a password is told at once, before any work, and never with the password.
 */

import { fail } from "../errors.ts";
import { reasonOf } from "../words.ts";

export type BullMq = typeof import("bullmq");
type Redis = typeof import("ioredis").Redis;
/** A connection for commands of the store itself. */
export type StoreClient = InstanceType<Redis>;

export interface QueueAddress {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** As messages name it. */
  readonly shown: string;
}

export interface Store {
  readonly bull: BullMq;
  readonly address: QueueAddress;
  /** What every queue and worker of BullMQ is opened with. */
  readonly options: {
    readonly prefix: string;
    readonly connection: object;
  };
  /** A connection of one's own: one that waits for a list is deaf to all else. */
  connect(): StoreClient;
}

/** The variable that holds a password which should not stand in a command line. */
export const PASSWORD = "PIXELCNN_QUEUE_PASSWORD";
/** Milliseconds until a host that says nothing counts as one that is not there. */
const PATIENCE = 5000;

/** `redis://[[user]:password@]host[:port][/db]`, or `rediss://` for TLS. */
export function readQueueAddress(text: string): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  const db = /^\/?(\d*)$/.exec(url?.pathname ?? "")?.[1];
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === "" || db === undefined)
    return fail("usage", "expected --queue redis://host:port, or redis://host:port/db, but received another address");
  const port = url.port === "" ? 6379 : Number(url.port);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    db: Number(db),
    tls: url.protocol === "rediss:",
    username: decodeURIComponent(url.username) || undefined,
    password: decodeURIComponent(url.password) || process.env[PASSWORD] || undefined,
    shown: `${url.hostname}:${port}`,
  };
}

/** Loads BullMQ and asks the store for a sign of life. */
export async function openStore(address: QueueAddress): Promise<Store> {
  const { bull, Redis } = await load();
  const { host, port, db, username, password } = address;
  const tls = address.tls ? { tls: {} } : {};
  const where = { host, port, db, username, password, ...tls, connectTimeout: PATIENCE };
  const probe = new Redis({ ...where, lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  let told: unknown;
  // Of a connection that fails, the reason is an event and the promise says only that it is closed.
  probe.on("error", (error) => {
    told ??= error;
  });
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    failStore(told ?? error, address);
  } finally {
    probe.disconnect();
  }
  // A store that goes away in mid-run is waited for: jobs and parts outlive it.
  const retryStrategy = (times: number): number => Math.min(200 * times, 2000);
  const connection = { ...where, maxRetriesPerRequest: null, retryStrategy };
  return { bull, address, options: { prefix: "pixelcnn", connection }, connect: () => new Redis(connection) };
}

/** The error of a store, in words that say what to do. */
export function failStore(error: unknown, { shown }: QueueAddress): never {
  const { code } = Object(error) as { code?: string };
  const reason = reasonOf(error);
  if (/WRONGPASS|NOAUTH|invalid password|without any password|NOPERM/i.test(reason))
    return fail(
      "io",
      `the queue at ${shown} refused the password (${reason}): give redis://user:password@host, or the ` +
        `password in ${PASSWORD}`,
      error,
    );
  if (/\bOOM\b/.test(reason))
    return fail("io", `the queue at ${shown} is full (${reason}): raise its maxmemory, or remove what it holds`, error);
  if (/CERT|self-signed/i.test(`${code} ${reason}`))
    return fail(
      "io",
      `the certificate of the queue at ${shown} was not accepted (${reason}): name the file of the authority that ` +
        "signed it in NODE_EXTRA_CA_CERTS",
      error,
    );
  if (code !== undefined || /timed? ?out|closed|ECONN|ENOTFOUND/i.test(reason))
    return fail(
      "io",
      `no queue answers at ${shown} (${code ?? reason}): check --queue, and that Redis or Valkey runs there`,
      error,
    );
  return fail("io", `the queue at ${shown} failed: ${reason}`, error);
}

/** Says once that a store does not answer, and once that it does again. */
export function watchStore(
  source: { on(event: "error", listener: (error: Error) => void): unknown },
  { shown }: QueueAddress,
  note: (text: string) => void,
): { answers(): void } {
  let silent = false;
  source.on("error", (error) => {
    if ("code" in error || /closed|timed? ?out/i.test(error.message)) {
      if (!silent) note(`the queue at ${shown} does not answer (${reasonOf(error)}): waiting for it`);
      silent = true;
    } else note(`the queue at ${shown}: ${reasonOf(error)}`);
  });
  return {
    answers() {
      if (silent) note(`the queue at ${shown} answers again`);
      silent = false;
    },
  };
}

async function load(): Promise<{ bull: BullMq; Redis: Redis }> {
  try {
    return { bull: await import("bullmq"), Redis: (await import("ioredis")).Redis };
  } catch (error) {
    return fail(
      "usage",
      `expected the packages bullmq and ioredis for --queue: npm install bullmq ioredis (${reasonOf(error)})`,
      error,
    );
  }
}
