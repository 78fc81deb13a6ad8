/** What an image's 8-bit picture does not keep of its file: refused, or said once of each kind. */

import { fail } from "../errors.ts";

/** What a picture of 8 bits, one frame and RGB does not keep of its file. */
export type Loss = "depth" | "frames" | "colours" | "profile";

/** Told of a loss, with what the file has, in words ("16 bits a channel"); may throw to refuse it. */
export type OnLoss = (loss: Loss, found: string) => void;

/** What becomes of each loss where it is no error. A profile is applied, which is no loss of the picture. */
const BECOMES: Readonly<Record<Exclude<Loss, "profile">, string>> = {
  depth: "as 8 bits",
  frames: "its first alone",
  colours: "converted to RGB",
};

export interface LossRules {
  /** Every loss is an error, but for a colour profile, which is left out: the pixels are kept as they are. */
  readonly strict?: boolean | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** For each image, by where it is, what its decoding calls. */
export function lossTeller({ strict, onWarning }: LossRules): (where: string) => OnLoss {
  const told = new Set<Loss>();
  return (where) => (loss, found) => {
    if (strict && loss !== "profile")
      fail(
        "data",
        `expected 8 bits a channel, one page, and grey or RGB colours in ${where}, to keep it without loss, but ` +
          `received ${found}`,
      );
    if (told.has(loss) || (loss === "profile" && !strict)) return;
    told.add(loss);
    onWarning?.(
      loss === "profile"
        ? `${where}: the pixels are kept, its colour profile is not, and so it is with others`
        : `${where} has ${found}; it is taken ${BECOMES[loss]}, and so are others like it`,
    );
  };
}
