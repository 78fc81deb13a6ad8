/** The places of each value, in the order in which values first come: the images of each class, or of each epoch. */
export function placesOf(values: ArrayLike<number>): Map<number, number[]> {
  const places = new Map<number, number[]>();
  for (let i = 0; i < values.length; i++) {
    const same = places.get(values[i]!);
    if (same) same.push(i);
    else places.set(values[i]!, [i]);
  }
  return places;
}
