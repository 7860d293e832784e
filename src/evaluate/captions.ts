/** Which caption of which item a column of the scores is. */

/**
 * The caption of each column: the captions of an image come in its order. Undefined where the items do not have it (scores that were
 * made elsewhere).
 */
export function captionsOf<C>({
  owner,
  items,
}: {
  owner: ArrayLike<number>;
  items: readonly { captions: readonly C[] }[];
}): (C | undefined)[] {
  const used = new Map<number, number>();
  return Array.from(owner, (image) => {
    const number = used.get(image) ?? 0;
    used.set(image, number + 1);
    return items[image]?.captions[number];
  });
}
