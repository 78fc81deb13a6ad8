/** Failures across the border of a worker. */

import { PixelcnnError } from "../errors.ts";

/** A failure, as plain data: an error's class does not cross from a worker. */
export interface Failure {
  readonly kind: string;
  readonly message: string;
}

/** Every failure crosses as plain data, in the `message`. */
export function guarded<T extends object>(target: T): T {
  return new Proxy(target, {
    get(object, key) {
      const value = Reflect.get(object, key) as unknown;
      if (typeof value !== "function") return value;
      return async (...given: unknown[]) => {
        try {
          return await value.apply(object, given);
        } catch (error) {
          const { kind, message } =
            error instanceof PixelcnnError ? error : { kind: "internal", message: String(error) };
          throw new Error(JSON.stringify({ kind, message } satisfies Failure));
        }
      };
    },
  });
}
