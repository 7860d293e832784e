#!/usr/bin/env node
/** `ams VERB ...`: results on stdout, progress and notes on stderr; exit codes 0 done, 1 failed, 2 wrong usage, 130 stopped. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { inspect } from "node:util";
import type { Command } from "./commands/command.js";
import { commandHelp, overview } from "./commands/help.js";
import { findCommand, parseWords } from "./commands/parse.js";
import { createSession } from "./commands/session.js";
import { commands as libraryCommands } from "./commands/table.js";
import { terminalContext, type Output } from "./commands/terminal.js";
import { displaySymbol, isDisplayable, printable } from "./display.js";
import { AmsError } from "./errors.js";
import { packageRoot } from "./paths.js";
import { setupCommands } from "./setupCommands.js";
import { completeWord, shellMatches } from "./shellCompletion.js";

export const exitCode = { done: 0, failed: 1, usage: 2, stopped: 130 };

export interface Host {
  stdout: Output;
  stderr: Output;
  signal: AbortSignal;
  commands?: Command[];
}

/** Runs one command line (without `node` and the script's name); resolves to the exit code. */
export async function main(words: string[], host: Host): Promise<number> {
  const { stdout, stderr, signal, commands = [...libraryCommands, ...setupCommands] } = host;
  const json = words.includes("--json");
  const print = (text: string): number => {
    stdout.write(`${text}\n`);
    return exitCode.done;
  };
  const fail = (error: unknown, code: number): number => {
    const lines = error instanceof AmsError ? error.lines() : [inspect(error)];
    stderr.write(`${printable(lines.join("\n"))}\n`);
    if (json) print(JSON.stringify({ error: errorObject(error) }));
    return code;
  };

  if (words[0] === completeWord) return print(shellMatches(words.slice(1).join(" "), commands, process.cwd()));

  let request;
  try {
    request = read(
      words.filter((word) => word !== "--json"),
      commands,
    );
  } catch (error) {
    return fail(error, exitCode.usage);
  }
  if ("help" in request || "version" in request)
    return print(json ? JSON.stringify(request) : Object.values(request).join());

  const { command, options } = request;
  const context = terminalContext(stderr, signal);
  try {
    const result = await command.run(options, context, createSession(process.cwd()));
    context.close();
    print(json ? JSON.stringify(command.json(result)) : printable(await textOf(result)));
    return signal.aborted ? exitCode.stopped : exitCode.done;
  } catch (error) {
    context.close();
    if (!signal.aborted)
      return fail(error, error instanceof AmsError && error.usage ? exitCode.usage : exitCode.failed);
    const stopped = new AmsError(`${command.name} was stopped`, {
      where: `ams ${words.join(" ")}`,
      hint: "run it again",
    });
    return fail(error instanceof AmsError ? error : stopped, exitCode.stopped);
  }
}

type Request = { help: string } | { version: string } | { command: Command; options: Record<string, unknown> };

/** What the words ask for: a text (help, version), or a command with its options. */
function read(words: string[], commands: Command[]): Request {
  const [verb, topic] = words;
  if (verb === "--version" || verb === "-v") return { version: version() };
  if (verb === undefined || verb === "help" || verb === "--help" || verb === "-h") {
    const command = topic === undefined ? undefined : findCommand(topic, commands);
    return { help: (command === undefined ? overview(commands, "ams ") : commandHelp(command, "ams "))["text/plain"] };
  }
  const { command, options, help } = parseWords(words, commands);
  return help ? { help: commandHelp(command, "ams ")["text/plain"] } : { command, options };
}

async function textOf(result: unknown): Promise<string> {
  if (typeof result === "string") return result;
  return isDisplayable(result) ? (await result[displaySymbol]())["text/plain"] : inspect(result);
}

function errorObject(error: unknown): Record<string, unknown> {
  if (!(error instanceof AmsError)) return { message: String(error) };
  return { message: error.message, where: error.where, hint: error.hint };
}

function version(): string {
  const { version: number } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  return number;
}

/** Ctrl-C asks politely, so that a training keeps its last step; a second one ends the process at once. */
async function run(): Promise<void> {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(exitCode.stopped);
    process.stderr.write("\nstopping at the next step (Ctrl-C again ends at once)\n");
    controller.abort();
  });
  const code = await main(process.argv.slice(2), {
    stdout: process.stdout,
    stderr: process.stderr,
    signal: controller.signal,
  });
  // Worker threads keep the process alive: end it once everything is written (an empty write calls back after all others).
  process.stdout.write("", () => process.exit(code));
}

if (require.main === module) void run();
