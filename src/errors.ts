/** The one error class for what people can mend: bad input, missing files, an engine that is not there. */

export interface AmsErrorDetails {
  /** Where it happened: a file with its row, an option, a step of a training. */
  where?: string;
  /** What to do next, as a sentence. */
  hint?: string;
  /** The command line itself is wrong: exit code 2. */
  usage?: boolean;
  cause?: unknown;
}

let magics: RegExp | undefined;

/** From now on this process shows the commands `ams VERB` that its errors and hints name as a notebook takes them: `%ams VERB`. */
export function showCommandsAsMagics(verbs: readonly string[]): void {
  // Not in a path, and not where the line is for a terminal (`npx ams`, `AMS_ENGINE=wasm ams`).
  magics = new RegExp(`(?<![\\w%/\\\\.=-]|npx |=\\w+ )ams(?= (${verbs.join("|")})\\b)`, "g");
}

/** Whether this process serves a notebook: there a choice holds for the kernel, not for one command. */
export function inNotebook(): boolean {
  return magics !== undefined;
}

/** A text that names commands, in the form that works where this process shows it. */
export function asTyped(text: string): string {
  return magics === undefined ? text : text.replace(magics, "%ams");
}

/** Shown as three lines: what is wrong, where, what to do. Programming errors stay ordinary errors with their stack. */
export class AmsError extends Error {
  override readonly name = "AmsError";
  readonly where: string | undefined;
  readonly hint: string | undefined;
  readonly usage: boolean;

  constructor(message: string, { where, hint, usage = false, cause }: AmsErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.where = where;
    this.hint = hint;
    this.usage = usage;
  }

  /** The three lines, without a stack, commands as they are typed here. */
  lines(): string[] {
    return [
      this.message,
      ...(this.where === undefined ? [] : [`where: ${this.where}`]),
      ...(this.hint === undefined ? [] : [`to do: ${this.hint}`]),
    ].map(asTyped);
  }
}
