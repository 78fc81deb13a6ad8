/**
 * A cache of at most so many bytes, where the least recently used goes first. What is larger than the whole cache is
 * not kept.
 */

export interface BoundedCache<V> {
  get(key: number): V | undefined;
  set(key: number, value: V, bytes: number): void;
  /** Bytes held now; never above the bound. */
  readonly bytes: number;
}

export function boundedCache<V>(maxBytes: number): BoundedCache<V> {
  // A Map lists its keys oldest first, and a key that is deleted and set again is the newest.
  const entries = new Map<number, { value: V; bytes: number }>();
  let held = 0;
  return {
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    set(key, value, bytes) {
      held -= entries.get(key)?.bytes ?? 0;
      entries.delete(key);
      if (bytes > maxBytes) return;
      for (const [oldest, entry] of entries) {
        if (held + bytes <= maxBytes) break;
        entries.delete(oldest);
        held -= entry.bytes;
      }
      entries.set(key, { value, bytes });
      held += bytes;
    },
    get bytes() {
      return held;
    },
  };
}
