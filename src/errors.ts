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

  /** The three lines, without a stack. */
  lines(): string[] {
    return [
      this.message,
      ...(this.where === undefined ? [] : [`where: ${this.where}`]),
      ...(this.hint === undefined ? [] : [`to do: ${this.hint}`]),
    ];
  }
}
