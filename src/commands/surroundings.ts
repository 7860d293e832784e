/** What Tab can offer besides the schema: runs on disk, splits of the open data set, models. */
import { sceneSplits } from "../data/emojiScenes/splits.js";
import type { Surroundings } from "./complete.js";
import { hubModels } from "../model/weights/hub.js";
import { indexNames } from "../search/places.js";
import { shippedModels } from "./models.js";
import { readRuns } from "./runList.js";
import type { Session } from "./session.js";
import { indexHome } from "./verbs/indexGallery.js";

export function surroundings(session: Session): Surroundings {
  return {
    cwd: session.cwd,
    names: (source) => {
      switch (source) {
        case "run":
          return runNames();
        case "model":
          return [...shippedModels(), ...runNames()];
        case "index":
          return indexNames(indexHome());
        case "encoder":
          return hubModels();
        case "split":
          return session.dataset === undefined ? [...sceneSplits] : Object.keys(session.dataset.splits);
      }
    },
  };
}

/** A damaged record must not break completion; the verb that reads it says what is wrong. */
function runNames(): string[] {
  try {
    return readRuns().map((run) => run.name);
  } catch {
    return [];
  }
}
