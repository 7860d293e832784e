/** What a command is: one record from which its magic, command line, typed function, completion and help all come. */
import { z } from "zod";
import type { Context } from "../context.js";
import type { Session } from "./session.js";

/** Where Tab finds values of an option. */
export type Source = "file" | "folder" | "run" | "split" | "model" | "encoder" | "index";

/** What the schema of an option does not say. */
export interface OptionDetails {
  /** One line for help and completion. */
  help: string;
  /** Placeholder of the value in help, e.g. `N`, `DIR`. */
  value?: string;
  complete?: Source;
  /** Values worth offering where the schema leaves the value open. */
  suggest?: string[];
  /** How its values are made, where they are too many to list. */
  values?: string;
  /** Other spellings of values, e.g. the published `--dataset flickr` for `flickr30k`. */
  spellings?: Record<string, string>;
  /** The TypeScript type of values that only code can give (a model, a data set). */
  type?: string;
  /** Only for typed calls: no value of it can be written on a command line. */
  codeOnly?: boolean;
}

const details = z.registry<OptionDetails>();

/** Attaches help and completion to an option's schema; call it last, since zod's methods make new schemas. */
export function option<T extends z.ZodType>(schema: T, about: OptionDetails): T {
  details.add(schema, about);
  return schema;
}

export function optionDetails(schema: z.ZodType): OptionDetails {
  const about = details.get(schema);
  if (about === undefined) throw new Error("an option without help: wrap its schema in option()");
  return about;
}

export type Shape = Record<string, z.ZodType>;

/** A command with options of shape S and result R. */
export interface Command<S extends Shape = Shape, R = unknown> {
  name: string;
  /** Another name of the same verb. */
  alias?: string;
  /** One line. */
  summary: string;
  /** What a newcomer needs to know beyond the options; a few sentences. */
  about: string;
  options: S;
  /**
   * The option that may be given without its name; `joined`: all free words together, separated by spaces; `rest`: the list that
   * the free words after it go to.
   */
  positional?: { option: string; joined?: boolean; rest?: string };
  /** Other names of options, in camelCase: the short ones and those of the published code. */
  aliases: Record<string, string>;
  /**
   * A flag that turns the line into another command's: the published `train --test` is `eval --split test`. `drops`: options that only
   * the first one knows may stand there and mean nothing; otherwise they are refused.
   */
  redirect?: { flag: string; verb: string; arguments: string[]; drops?: boolean };
  /** Argument lines, the most useful first, e.g. `train --epochs 5 --lr 2e-5`. */
  examples: string[];
  /** The name under which src/index.ts exports the result's type. */
  resultType: string;
  run(options: z.output<z.ZodObject<S>>, context: Context, session: Session): Promise<R>;
  /** The result as the one object that `--json` prints. */
  json(result: R): unknown;
}

/** The parts of a command that name its options. */
interface Naming<S extends Shape> {
  positional?: { option: keyof S & string; rest?: keyof S & string };
  aliases: Record<string, keyof S & string>;
}

/** Keeps the exact types of options and result inside the command, and checks the names of options. */
export function defineCommand<S extends Shape, R>(command: Command<S, R> & Naming<S>): Command<S, R> {
  return command;
}
