/** What each family can see from one pixel: the blind spot, side by side. */

import { useEffect, useRef, useState } from "preact/hooks";
import { failureOf } from "./client.ts";
import type { Reach } from "./reach.ts";
import { useDark } from "./scheme.ts";
import { useStudio } from "./studio.ts";

/** As in reach.ts, which the page does not load. */
const SIDE = 21;

interface ReachProps {
  /** The chosen place, 0 .. 1. */
  readonly row: number;
  readonly column: number;
  readonly channels: number;
}

export function ReachView(place: ReachProps) {
  const { client, report } = useStudio();
  const [reaches, setReaches] = useState<readonly Reach[] | null>(null);
  const [row, column] = [Math.floor(place.row * SIDE), Math.floor(place.column * SIDE)];
  useEffect(() => {
    client.host
      .reach({ row, column })
      .then(setReaches)
      .catch((error) => report(failureOf(error)?.message ?? null));
  }, [client, row, column, report]);
  return (
    <section class="reach" aria-labelledby="reach-title">
      <h3 id="reach-title">What each network can see from there</h3>
      <p>
        Of an image of {SIDE} × {SIDE}, all pixels above and to the left come earlier. A network should see each of them
        that is near enough; the plain PixelCNN does not. These are shallow networks (five convolutions, or three LSTM
        layers), so that the shapes show.
      </p>
      <div class="reaches">
        {(reaches ?? []).map((reach) => (
          <figure key={reach.title}>
            <ReachMap reach={reach} row={row} column={column} />
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

function ReachMap({ reach, row, column }: { reach: Reach; row: number; column: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const dark = useDark();
  useEffect(() => {
    const element = canvas.current!;
    const style = getComputedStyle(element);
    const colour = (name: string): string => style.getPropertyValue(name);
    element.width = SIDE;
    element.height = SIDE;
    const context = element.getContext("2d")!;
    for (let p = 0; p < SIDE * SIDE; p++) {
      const here = p === row * SIDE + column;
      const earlier = p < row * SIDE + column;
      context.fillStyle = colour(here ? "--mark" : reach.seen[p] ? "--seen" : earlier ? "--unseen" : "--later");
      context.fillRect(p % SIDE, Math.floor(p / SIDE), 1, 1);
    }
  }, [reach, row, column, dark]);
  return (
    <canvas
      ref={canvas}
      class="pixels map"
      role="img"
      aria-label={`${reach.title} sees ${reach.reached} of ${reach.earlier} earlier pixels`}
    />
  );
}
