/** What stays from one command to the next: the open data set, the model, the last results, the folder of relative paths. */
import { homedir } from "node:os";
import path from "node:path";
import type { Dataset } from "../data/dataset.js";
import type { Evaluation } from "../evaluate/index.js";
import type { Model } from "../model/ams.js";
import type { Figure } from "../plot/figure.js";
import type { Run } from "../train/trainer.js";

export interface Session {
  cwd: string;
  dataset?: Dataset;
  model?: Model;
  run?: Run;
  /** Evaluations of the current model in the order they were made; a new or trained model empties the list. */
  evaluations: Evaluation[];
  figure?: Figure;
  /** The YAML that runs, while one does. */
  experiment?: string;
  /** What was said about the engine in use, so that it is not said again. */
  saidOfEngine?: string;
}

export function createSession(cwd: string): Session {
  return { cwd, evaluations: [] };
}

/** The model that later commands use; what was measured before belongs to another model. */
export function setModel(session: Session, model: Model): void {
  if (session.model !== model) session.evaluations = [];
  session.model = model;
}

/** The name of the run that trained the model in this session; undefined for any other model. */
export function trainedAs({ run }: Session, model: Model): string | undefined {
  return run?.model === model ? run.name : undefined;
}

/** Relative to the session's folder; `~/` is the home folder. */
export function resolvePath(session: Session, text: string): string {
  return path.resolve(session.cwd, text.replace(/^~(?=$|[/\\])/, homedir()));
}
