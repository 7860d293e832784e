/** All commands, in the order in which a newcomer needs them. */
import type { Command } from "./command.js";
import { buildCommand } from "./verbs/build.js";
import { compareCommand } from "./verbs/compare.js";
import { dataCommand } from "./verbs/data.js";
import { doctorCommand } from "./verbs/doctor.js";
import { engineCommand } from "./verbs/engine.js";
import { evalCommand } from "./verbs/eval.js";
import { exportCommand } from "./verbs/export.js";
import { indexesCommand } from "./verbs/indexes.js";
import { indexCommand } from "./verbs/indexGallery.js";
import { inspectCommand } from "./verbs/inspect.js";
import { plotCommand } from "./verbs/plot.js";
import { runCommandOf } from "./verbs/run.js";
import { runsCommand } from "./verbs/runs.js";
import { searchCommand } from "./verbs/search.js";
import { trainCommand } from "./verbs/train.js";

export const commands: Command[] = [
  doctorCommand,
  engineCommand,
  dataCommand,
  buildCommand,
  trainCommand,
  evalCommand,
  compareCommand,
  plotCommand,
  indexCommand,
  searchCommand,
  indexesCommand,
  runCommandOf(() => commands),
  runsCommand,
  exportCommand,
  inspectCommand,
];
