/** What each family can see from one pixel: the blind spot, side by side. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Reach } from "./reach.ts";
import { useDark } from "./scheme.ts";
import { useStudio } from "./studio.ts";

interface ReachProps {
  /** The chosen place, 0 .. 1. */
  readonly row: number;
  readonly column: number;
}

export function ReachView({ row, column }: ReachProps) {
  const { client, failed } = useStudio();
  const [reaches, setReaches] = useState<readonly Reach[] | null>(null);
  useEffect(() => {
    client.host.reach({ row, column }).then(setReaches).catch(failed);
  }, [client, row, column, failed]);
  return (
    <section class="reach" aria-labelledby="reach-title">
      <h3 id="reach-title">What each network can see from there</h3>
      <p>
        Of an image of {reaches?.[0]?.side} × {reaches?.[0]?.side}, all pixels above and to the left come earlier. A
        network should see each of them that is near enough; the plain PixelCNN does not. These are shallow networks
        (five convolutions, or three LSTM layers), so that the shapes show.
      </p>
      <div class="reaches">
        {(reaches ?? []).map((reach) => (
          <figure key={reach.title}>
            <ReachMap reach={reach} />
            <figcaption>
              <b>{reach.title}</b>
              <br />
              sees {reach.reached} of {reach.earlier} earlier pixels
            </figcaption>
          </figure>
        ))}
      </div>
    </section>
  );
}

function ReachMap({ reach }: { readonly reach: Reach }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useDark();
  useEffect(() => {
    const element = canvas.current!;
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name);
    const { side, row, column } = reach;
    element.width = side;
    element.height = side;
    const context = element.getContext("2d")!;
    for (let p = 0; p < side * side; p++) {
      const here = p === row * side + column;
      const earlier = p < row * side + column;
      context.fillStyle = colour(here ? "--mark" : reach.seen[p] ? "--seen" : earlier ? "--unseen" : "--later");
      context.fillRect(p % side, Math.floor(p / side), 1, 1);
    }
  }, [reach, dark]);
  return (
    <canvas
      ref={canvas}
      class="pixels map"
      role="img"
      aria-label={`${reach.title} sees ${reach.reached} of ${reach.earlier} earlier pixels`}
    />
  );
}
