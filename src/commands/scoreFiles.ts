/** Score files of `eval --scores` and `compare`: whose images and captions they are comes from the file, from `--data`, or from a number. */
import type { Context } from "../context.js";
import { AmsError } from "../errors.js";
import type { Evaluation } from "../evaluate/index.js";
import { splitOf, wantDataset, type DataChoice } from "./datasets.js";
import { resolvePath, type Session } from "./session.js";

export interface ScoreChoice extends DataChoice {
  split?: string | undefined;
  images?: number | undefined;
  captionsPerImage?: number | undefined;
}

/** A function that evaluates a score file. Throws AmsError for one that does not belong to the chosen images and captions. */
export async function scoreReader(
  choice: ScoreChoice,
  context: Context,
  session: Session,
): Promise<(file: string, folds?: number) => Evaluation> {
  const { data, split, images, captionsPerImage } = choice;
  const { chosenItems, evaluateScores, readScores } = await import("../evaluate/index.js");
  if (data === undefined) {
    const inTurn = (images: number, captions: number): Int32Array =>
      Int32Array.from({ length: captions }, (_, c) => Math.min(Math.floor(c / captionsPerImage!), images - 1));
    return (file, folds) => {
      const { scores, owner } = readScores(resolvePath(session, file), captionsPerImage === undefined ? undefined : inTurn); // prettier-ignore
      const rows = scores.length / owner.length;
      if (captionsPerImage !== undefined) refuseOtherCounts(file, rows, owner, captionsPerImage);
      return evaluateScores(scores, owner, { split: split ?? "given", name: file, folds });
    };
  }
  const dataset = await wantDataset(choice, context, session);
  const part = split ?? "test";
  splitOf(dataset, part);
  const items = chosenItems(dataset, part, {
    ...(images === undefined ? {} : { images }),
    ...(captionsPerImage === undefined ? {} : { captionsPerImage }),
  });
  const owners = Int32Array.from(items.flatMap(({ captions }, i) => captions.map(() => i)));
  return (file, folds) => {
    const { scores, owner } = readScores(resolvePath(session, file), () => owners);
    const [rows, wanted] = [scores.length / owner.length, items.length];
    if (rows !== wanted || owner.length !== owners.length || owner.some((image, c) => image !== owners[c])) {
      throw new AmsError(
        `the scores are of ${rows} images x ${owner.length} captions, not of the ${wanted} x ${owners.length} of ${dataset.name} ${part}`,
        {
          where: file,
          hint: "leave out --data, or choose the split, --images and --captions-per-image that the scores were made with",
        },
      );
    }
    return evaluateScores(scores, owner, { split: part, items, name: file, dataset: dataset.name, folds });
  };
}

function refuseOtherCounts(file: string, images: number, owner: Int32Array, each: number): void {
  const matrix = `${String(images)} images x ${String(owner.length)} captions`;
  const turned = owner.length * each === images ? "; are images and captions the other way round? Scores are [images, captions]" : ""; // prettier-ignore
  if (owner.length !== images * each) {
    throw new AmsError(`${matrix} are not ${String(each)} captions an image${turned}`, {
      where: `${file} with --captions-per-image ${String(each)}`,
      hint: `say how many there are, or give the image of each caption beside the scores (owner)`,
    });
  }
  const caption = owner.findIndex((image, c) => image !== Math.floor(c / each));
  if (caption < 0) return;
  throw new AmsError(
    `caption ${String(caption)} belongs to image ${String(owner[caption])} by the owners with the scores, not ${String(each)} captions an image in order`,
    {
      where: `${file} with --captions-per-image ${String(each)}`,
      hint: "leave out --captions-per-image: the owners are known",
    },
  );
}
