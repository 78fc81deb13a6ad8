/** An image behind a word of a command line, and the rules by which it is read. */

import type { LevelTable } from "../codec/level-table.ts";
import type { OnProgress } from "../jobs.ts";
import type { ConditionSource } from "../train/config.ts";

export interface SourceImage {
  /** As an archive keeps it: a file's own name, a path inside its folder, or as the data set says. */
  readonly name: string;
  /** Where it is: a path, or as the data set says. */
  readonly file: string;
  /** Bytes of its file; undefined for an image of a data set. */
  readonly bytes?: number | undefined;
  readonly label: number | undefined;
  readonly height: number;
  readonly width: number;
  /** [H, W, C], levels of the model. */
  readonly pixels: Uint8Array;
  readonly table: LevelTable;
  /** Whether the table gives back the source's values. */
  readonly exact: boolean;
  /**
   * Its class, by name: the label's, or the subfolder that it lies in; null without one among images with classes,
   * undefined where there are none.
   */
  readonly className?: string | null | undefined;
  /** The first text that describes it; null without one among images with captions, undefined where there are none. */
  readonly caption?: string | null | undefined;
  /** Of data with vectors. */
  readonly vector?: Float32Array | undefined;
}

/** Tells the user something: a note, or a warning. */
export interface Teller {
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

export interface SourceRules {
  /** Of data that do not name one. */
  readonly split: string;
  /** Names a stochastic binarisation's draw; default the run's. */
  readonly seed?: number | undefined;
  /** At most so many images, the first. */
  readonly limit?: number | undefined;
  /** Leave the data's own levels as they are, even where the model's config binarises them. */
  readonly ownLevels?: boolean | undefined;
  /**
   * What of the images' data a condition is made of: only then captions beside files are read, and vectors that belong
   * to the model's own data.
   */
  readonly conditionedOn?: ConditionSource["from"] | undefined;
  /** Refuse files whose decoding loses something: 16 bits, several pages, CMYK. */
  readonly strict?: boolean | undefined;
  /** An image that cannot be read or used: an error that names all of them, or left out. Default "error". */
  readonly onBroken?: "error" | "skip" | undefined;
  /** Throws for an image that the work could not use. */
  readonly accept?: ((image: SourceImage) => void) | undefined;
  /** Called as images are looked at. */
  readonly onChecked?: OnProgress | undefined;
  /** Called with what a user should know. */
  readonly tell: Teller;
}

/** What lay there and is not among the images. */
export interface LeftOut {
  /** A path below the folder, or the message of an image that cannot be used, which names it. */
  readonly name: string;
  /** In a few words; empty where the name says it. */
  readonly reason: string;
}
