/** `run`: a whole experiment from a file of YAML; the same text is a notebook's `%%ams` cell. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { AmsError } from "../../errors.js";
import { defineCommand, option, type Command } from "../command.js";
import { readExperiment, runExperiment } from "../experiment.js";
import { resolvePath } from "../session.js";
import type { Experiment } from "../results.js";

/** The command over a table of verbs, which `table` gives when it runs (the table holds this command too). */
export function runCommandOf(table: () => Command[]): Command {
  return defineCommand({
    name: "run",
    summary: "run a whole experiment written down as YAML",
    about:
      "The file names verbs in the order in which they run, each with its options by the names of the flags: data, build, train, eval and so on; a list runs a verb " +
      "several times. Everything is checked before anything runs. A cell that begins with %%ams takes the same text. " +
      "A training keeps the text as it was written: experiment.yaml in its run's folder.",
    options: {
      file: option(z.string(), { help: "the experiment, a .yaml file", value: "FILE", complete: "file" }),
      check: option(z.boolean().default(false), { help: "only check the file, run nothing" }),
    },
    positional: { option: "file" },
    aliases: {},
    examples: ["run experiment.yaml", "run experiment.yaml --check"],
    resultType: "Experiment",
    run: async ({ file, check }, context, session): Promise<Experiment> => {
      const place = resolvePath(session, file);
      let text;
      try {
        text = readFileSync(place, "utf8");
      } catch (cause) {
        throw new AmsError("the experiment cannot be read", {
          where: place,
          hint: "give a file of YAML with verbs and options: ams run --help",
          cause,
        });
      }
      const verbs = table().filter(({ name }) => name !== "run");
      const steps = readExperiment(text, place, verbs);
      if (check)
        context.note(`${steps.length} steps are in order: ${steps.map(({ command }) => command.name).join(", ")}`);
      return runExperiment(check ? [] : steps, text, context, session);
    },
    json: ({ steps }) => ({ steps: steps.map(({ verb, json }) => ({ verb, result: json })) }),
  });
}
