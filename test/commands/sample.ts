/** Two small commands that the tests of the machinery run, with every kind of option. */
import { z } from "zod";
import { defineCommand, option, type Command } from "../../src/commands/command.js";

export const fit = defineCommand({
  name: "fit",
  alias: "learn",
  summary: "fits",
  about: "A command for tests.",
  options: {
    epochs: option(z.int().min(1).max(99).default(3), { help: "passes", value: "N" }),
    learningRate: option(z.number().positive().optional(), { help: "of Adam", value: "X" }),
    kind: option(z.enum(["linear", "deep"]).default("linear"), { help: "what to fit", spellings: { lin: "linear" } }),
    shuffle: option(z.boolean().default(true), { help: "mix the rows" }),
    tags: option(z.array(z.string()).optional(), { help: "labels" }),
    split: option(z.string().optional(), { help: "rows", complete: "split" }),
    file: option(z.string().optional(), { help: "a file", complete: "file" }),
    resume: option(z.union([z.boolean(), z.string()]).optional(), { help: "go on", complete: "run", value: "RUN" }),
    model: option(z.custom<{ weights: number[] }>((v) => typeof v === "object").optional(), {
      help: "a model",
      codeOnly: true,
    }),
  },
  aliases: { lr: "learningRate", batchKind: "kind" },
  redirect: { flag: "test", verb: "ask", arguments: ["--deep"] },
  examples: ["fit --epochs 5 --lr 2e-5", "fit --no-shuffle --tags a --tags b"],
  resultType: "Run",
  run: (options) => Promise.resolve(options),
  json: (options) => options,
});

export const ask = defineCommand({
  name: "ask",
  summary: "asks",
  about: "A command for tests.",
  options: {
    query: option(z.string(), { help: "what to ask", value: "TEXT" }),
    k: option(z.int().default(5), { help: "answers", value: "N" }),
    deep: option(z.boolean().default(false), { help: "ask deeply" }),
  },
  aliases: {},
  positional: { option: "query", joined: true },
  examples: ['ask "two red cars"'],
  resultType: "Hits",
  run: (options) => Promise.resolve(options),
  json: (options) => options,
});

export const sample: Command[] = [fit, ask];
