/** On a narrow screen results lie below the controls: whoever asks for them is taken there. */

import type { RefObject } from "preact";
import { useRef } from "preact/hooks";

/** An element's reference, and a function that scrolls to it where panels have one column (style.css). */
export function useReveal<E extends HTMLElement>(): [ref: RefObject<E | null>, reveal: () => void] {
  const ref = useRef<E>(null);
  const reveal = (): void => {
    if (!matchMedia("(max-width: 760px)").matches) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    ref.current?.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  };
  return [ref, reveal];
}
