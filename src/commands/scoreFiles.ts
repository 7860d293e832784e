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
    const inTurn = (captions: number, each: number): Int32Array =>
      Int32Array.from({ length: captions }, (_, c) => Math.floor(c / each));
    const known =
      captionsPerImage === undefined ? undefined : (_: number, captions: number) => inTurn(captions, captionsPerImage);
    return (file, folds) => {
      const { scores, owner } = readScores(resolvePath(session, file), known);
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
