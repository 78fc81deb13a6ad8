/** What the shell shares with its panels. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Client, Condition, ModelInfo } from "./client.ts";

/** An image that one panel hands to another; levels [H, W, C] of the open model. */
export interface Picked {
  readonly pixels: Uint8Array;
  readonly condition: Condition | null;
}

export type PanelName = "play" | "complete" | "see" | "compress" | "latents" | "train" | "runs";

export interface Shared {
  readonly client: Client;
  readonly model: ModelInfo | null;
  readonly picked: Picked | null;
  readonly pick: (image: Picked | null) => void;
  readonly go: (panel: PanelName) => void;
  readonly open: (source: string | Record<string, File>, name: string) => Promise<ModelInfo | null>;
  /** Shows a problem; null takes it away. */
  readonly report: (problem: string | null) => void;
  /** Shows what a call of the worker failed with; what was stopped on request is no problem. */
  readonly failed: (error: unknown) => void;
  /** An archive that was dropped on the page. */
  readonly archive: File | null;
  readonly names: readonly string[];
  readonly opening: string | null;
  /** Whether `pixelcnn studio` serves this page: it has runs, and may turn texts into vectors. */
  readonly served: boolean;
}

export const Studio = createContext<Shared | null>(null);

export const useStudio = (): Shared => useContext(Studio)!;
