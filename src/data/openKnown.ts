/** Opens Flickr30K or MS-COCO from wherever it lies on this machine and in whichever layout, with its boxes when they are asked for. */
import { silentContext, type Context } from "../context.js";
import { openCoco, openFlickr30k } from "./annotations.js";
import { addInstances, openCocoCaptions } from "./cocoCaptions.js";
import type { Dataset } from "./dataset.js";
import { addEntities } from "./entities.js";
import type { ProblemOptions } from "./items.js";
import { openKarpathy } from "./karpathy.js";
import { imagesFrom, locate, locateBoxes, missingParts, type KnownName, type Places } from "./locate.js";
import { openTokenFile } from "./tokenFile.js";

/** Where Flickr30K or MS-COCO is, and whether with boxes. */
export interface KnownOptions extends ProblemOptions, Places {
  /** With boxes of things and phrases: true looks for them beside the rest, a text is the folder that holds them. */
  boxes?: boolean | string | undefined;
}

/** The set, and the places that it was opened from (absolute). Errors as of `locate` and of the readers. */
export async function openKnown(
  name: KnownName,
  options: KnownOptions,
  context: Context = silentContext,
): Promise<{ dataset: Dataset; root: string; annotations: string }> {
  const { boxes = false, onProblem = "stop", onMissing, cwd } = options;
  const located = locate(name, options);
  const { root, annotations, source } = located;
  const boxFiles = boxes === false ? [] : locateBoxes(name, located, boxes === true ? undefined : boxes, cwd);
  const lacking = missingParts(name, located);
  if (lacking !== undefined) context.note(lacking);
  const common = {
    root,
    name,
    onProblem,
    imagesFrom: imagesFrom(name),
    ...(onMissing === undefined ? {} : { onMissing }),
  };
  const open = (): Promise<Dataset> => {
    switch (source.layout) {
      case "albef":
        return (name === "coco" ? openCoco : openFlickr30k)({ ...common, annotations: source.files }, context);
      case "karpathy":
        return openKarpathy({ ...common, file: source.file }, context);
      case "token":
        return openTokenFile({ ...common, file: source.file, splits: source.splits }, context);
      case "captions":
        return openCocoCaptions({ ...common, ...source }, context);
    }
  };
  const dataset = await open();
  if (boxes === false) return { dataset, root, annotations };
  const boxed =
    name === "coco"
      ? await addInstances(dataset, boxFiles, context)
      : await addEntities(dataset, boxFiles[0]!, context);
  return { dataset: boxed, root, annotations };
}
