/** All commands, in the order in which a newcomer needs them. */
import type { Call } from "./api.js";
import type { Command } from "./command.js";
import { buildCommand } from "./verbs/build.js";
import { dataCommand } from "./verbs/data.js";
import { doctorCommand } from "./verbs/doctor.js";
import { engineCommand } from "./verbs/engine.js";
import { evalCommand } from "./verbs/eval.js";
import { exportCommand } from "./verbs/export.js";
import { plotCommand } from "./verbs/plot.js";
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
  plotCommand,
  searchCommand,
  runsCommand,
  exportCommand,
];

/** The verbs as typed functions; each shows its result in a notebook. */
export interface Api {
  /** What is there, what is missing, and how to get it. */
  doctor: Call<typeof doctorCommand>;
  /** Choose, install and show what computes: `await ams.engine("native")`. */
  engine: Call<typeof engineCommand>;
  /** Open a data set: `await ams.data("scenes")`. */
  data: Call<typeof dataCommand>;
  /** Make a model: `await ams.build({ checkpoint: "scenes-encoders" })`. */
  build: Call<typeof buildCommand>;
  /** Fit the model: `await ams.train({ epochs: 2 })`. */
  train: Call<typeof trainCommand>;
  /** Recalls both ways: `await ams.eval({ split: "test" })`. */
  eval: Call<typeof evalCommand>;
  /** The same as `eval`. */
  evaluate: Call<typeof evalCommand>;
  /** A figure: `await ams.plot("attention", { item: 3 })`. */
  plot: Call<typeof plotCommand>;
  /** Pictures for a text: `await ams.search("two red cars")`. */
  search: Call<typeof searchCommand>;
  /** The trainings on disk. */
  runs: Call<typeof runsCommand>;
  /** Write weights, a table or a figure: `await ams.export("weights", { out: "my-model" })`. */
  export: Call<typeof exportCommand>;
}
