/** Recall by kind of phrase: how well the captions that name a person, an animal, a vehicle find their images. */
import { AmsError } from "../errors.js";
import { recallIntervals, wilson, type Interval } from "./bootstrap.js";
import { captionsOf } from "./captions.js";
import type { Evaluation } from "./evaluation.js";

/** Text to image, of the captions that have a phrase of this kind (a caption with several kinds counts for each of them). */
export interface PhraseRecall {
  /** "all captions", then the kinds as the data names them; "other" for phrases without one. */
  type: string;
  captions: number;
  /** Images with such a caption. */
  images: number;
  /** Percent of the captions whose image is among the first K of the whole gallery, with its 95 % interval. */
  recalls: { k: 1 | 5 | 10; recall: number; interval: Interval }[];
}

/**
 * The whole first, then the kinds by number of captions. The gallery is all images of the evaluation, so that kinds compare with each other
 * and with the whole. Intervals: the bootstrap over the images with such captions; where no resample changes anything (all or none of the
 * captions are found, or all are of one image), Wilson's for so many images. Throws an AmsError where no caption has phrases.
 */
export function phraseRecalls(
  evaluation: Pick<Evaluation, "dataset" | "split" | "ranks" | "owner" | "items">,
): PhraseRecall[] {
  const { ranks, owner, dataset, split } = evaluation;
  const kinds = new Map<string, number[]>();
  captionsOf(evaluation).forEach((caption, c) => {
    for (const type of new Set(caption?.phrases?.map((phrase) => phrase.type ?? "other"))) {
      kinds.set(type, [...(kinds.get(type) ?? []), c]);
    }
  });
  if (kinds.size === 0) {
    throw new AmsError("no caption of the evaluation has phrases", {
      where: [dataset, split].filter((part) => part !== "").join(" "),
      hint: "kinds of phrases come with the scenes, and with Flickr30K Entities: ams data flickr30k --boxes DIR",
    });
  }
  const every = Array.from(owner, (_, c) => c);
  const sorted = [...kinds].sort(([a, of], [b, other]) => other.length - of.length || a.localeCompare(b));
  return [["all captions", every] as const, ...sorted].map(([type, captions]) => ({
    type,
    ...recallsOf(captions, ranks.t2i, owner),
  }));
}

function recallsOf(captions: readonly number[], ranks: Int32Array, owner: Int32Array): Omit<PhraseRecall, "type"> {
  const rows = new Map<number, number>(); // image -> its row among those with such captions
  const rowOf = (image: number): number => {
    const row = rows.get(image) ?? rows.size;
    rows.set(image, row);
    return row;
  };
  const own = {
    owner: Int32Array.from(captions, (c) => rowOf(owner[c]!)),
    ranks: { t2i: Int32Array.from(captions, (c) => ranks[c]!), i2t: new Int32Array(rows.size).fill(-1) },
  };
  const [, , , ...intervals] = recallIntervals(own);
  const recalls = ([1, 5, 10] as const).map((k, i) => {
    const hits = own.ranks.t2i.reduce((n, rank) => n + Number(rank < k), 0);
    const interval = intervals[i]!;
    return {
      k,
      recall: (100 * hits) / captions.length,
      interval: interval[0] === interval[1] ? wilson((hits / captions.length) * rows.size, rows.size) : interval,
    };
  });
  return { captions: captions.length, images: rows.size, recalls };
}
