/** The magics that every session has. %time, %timeit, %run and %%capture become code: here only their help. */
import { appendFile, writeFile } from "node:fs/promises";
import path from "node:path";
import util from "node:util";
import { captureUsage } from "../cells/capture.js";
import type { Magic, MagicCompletions, MimeBundle } from "../plugin.js";
import { historyUsage, showHistory, type HistoryEntry } from "./history.js";
import { escapeHtml } from "./html.js";
import { runUsage } from "./include.js";
import { npmUsage, runNpm } from "./npm.js";
import { readOptions } from "./options.js";
import { completePath, expandHome } from "./paths.js";
import { userError, type Plugins } from "./plugins.js";
import { runShell } from "./shell.js";

export interface BuiltinHost {
  plugins: Plugins;
  /** The names and values of the session's variables. */
  variables: () => [string, unknown][];
  /** Forgets variables and types. */
  reset: () => void;
  /** The cells so far; the last one is running. */
  history: HistoryEntry[];
  /** The notebook's folder. */
  folder: string;
  packageRoot: string;
  /** Packages were installed or removed. */
  forgetPackages: () => void;
}

export function createBuiltins(host: BuiltinHost): Magic[] {
  return [
    listMagics(host),
    who(host),
    reset(host),
    history(host),
    changeFolder(),
    environment(),
    loadExtension(host),
    reloadExtension(host),
    npm(host),
    writeFileMagic(),
    html(),
    bash(),
    codeMagic("run", runUsage, {
      complete: (args, cursor) => Promise.resolve(completePath(args, cursor, (name) => runnable.test(name))),
    }),
    codeMagic("capture", captureUsage),
    codeMagic("time", "%time CODE or %%time: runs the code and prints CPU and wall time; the value is the code's own"),
    codeMagic(
      "timeit",
      "%timeit [-n LOOPS] [-r REPEATS] CODE or %%timeit: runs the code many times and prints the mean time of one run",
    ),
  ];
}

const runnable = /(?<!\.d)\.[mc]?(ts|js)$|\.ipynb$/;

function magic(name: string, summary: string, line: Magic["line"], more: Partial<Magic> = {}): Magic {
  return { name, summary, help: () => text(summary), line, returnType: () => "void", ...more };
}

function text(plain: string): MimeBundle {
  return { "text/plain": plain };
}

function shown(bundle: MimeBundle): object {
  return { [Symbol.for("Jupyter.display")]: () => bundle };
}

function table(rows: [string, string][]): MimeBundle {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  const cell = (raw: string): string => `<td style="text-align:left;white-space:pre-wrap">${escapeHtml(raw)}</td>`;
  return {
    "text/plain": rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n"),
    "text/html": `<table><tbody>${rows.map(([name, value]) => `<tr>${cell(name)}${cell(value)}</tr>`).join("")}</tbody></table>`,
  };
}

/** What completes the last word before the cursor. */
function completeNames(args: string, cursor: number, names: string[]): MagicCompletions {
  const typed = /\S*$/.exec(args.slice(0, cursor))?.[0] ?? "";
  const matches = names.filter((name) => name.startsWith(typed)).map((name) => ({ text: name, type: "value" }));
  return { matches, start: cursor - typed.length, end: cursor };
}

function listMagics({ plugins }: BuiltinHost): Magic {
  return magic(
    "lsmagic",
    "%lsmagic: lists the magics; %name? explains one",
    async () => {
      await plugins.loadFor();
      const rows = plugins
        .all()
        .map((one): [string, string] => [
          one.cell === undefined ? `%${one.name}` : `%${one.name} %%${one.name}`,
          one.summary,
        ]);
      return shown(table([...rows, ["!command", "runs a command in the shell"], ["name? name??", "explains a name"]]));
    },
    { returnType: () => "unknown" },
  );
}

function who({ variables }: BuiltinHost): Magic {
  return magic(
    "who",
    "%who [NAME...]: the session's variables with their values",
    (args) => {
      const asked = readOptions(args, "%who [NAME...]").words;
      const found = variables().filter(([name]) => asked.length === 0 || asked.includes(name));
      const unknown = asked.find((name) => !found.some(([known]) => known === name));
      if (unknown !== undefined)
        throw userError(`there is no variable ${unknown}`, "%who lists all of them", `%who ${args}`);
      const rows = found.map(([name, value]): [string, string] => {
        const full = util.inspect(value, { depth: 0, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 60 });
        return [name, full.length > 100 ? `${full.slice(0, 99)}…` : full];
      });
      return Promise.resolve(shown(rows.length === 0 ? text("no variables") : table(rows)));
    },
    {
      returnType: () => "unknown",
      complete: (args, cursor) =>
        Promise.resolve(
          completeNames(
            args,
            cursor,
            variables().map(([name]) => name),
          ),
        ),
    },
  );
}

function history({ history: entries }: BuiltinHost): Magic {
  return magic("history", historyUsage, async (args) => {
    process.stdout.write(await showHistory(args, entries));
  });
}

function changeFolder(): Magic {
  let previous: string | undefined;
  return magic(
    "cd",
    "%cd [FOLDER]: changes the current folder (home without one, - for the one before) and prints it",
    (args) => {
      const asked = unquote(args) || "~";
      if (asked === "-" && previous === undefined)
        throw userError("there is no folder before this one", "%cd FOLDER first", "%cd -");
      const folder = asked === "-" ? (previous ?? "") : expandHome(asked);
      const before = process.cwd();
      try {
        process.chdir(folder);
      } catch {
        throw userError(`there is no folder ${path.resolve(folder)}`, "%cd takes a folder that exists", `%cd ${args}`);
      }
      previous = before;
      process.stdout.write(`${process.cwd()}\n`);
      return Promise.resolve();
    },
    { complete: (args, cursor) => Promise.resolve(completePath(args, cursor, () => false)) },
  );
}

function environment(): Magic {
  return magic(
    "env",
    "%env: the environment; %env NAME: one value; %env NAME=VALUE: sets one",
    (args) => {
      const [, name, set, value = ""] = /^([^\s=]+)(\s*=\s*|\s+)?([^]*)$/.exec(args) ?? [];
      if (name === undefined) {
        const rows = Object.entries(process.env).map(([key, text]): [string, string] => [key, text ?? ""]);
        return Promise.resolve(shown(table(rows.sort(([a], [b]) => a.localeCompare(b)))));
      }
      if (set !== undefined) {
        process.env[name] = unquote(value);
        process.stdout.write(`${name}=${unquote(value)}\n`);
        return Promise.resolve();
      }
      if (process.env[name] === undefined)
        throw userError(`the environment has no ${name}`, `%env ${name}=VALUE sets it`, `%env ${args}`);
      return Promise.resolve(process.env[name]);
    },
    {
      returnType: (args) => (/^[^\s=]+$/.test(args.trim()) ? "string" : "unknown"),
      complete: (args, cursor) => Promise.resolve(completeNames(args, cursor, Object.keys(process.env).sort())),
    },
  );
}

function extension(name: string, summary: string, load: (module: string) => ReturnType<Plugins["load"]>): Magic {
  return magic(
    name,
    summary,
    async (args) => {
      const module = unquote(args);
      if (module === "") throw userError(`%${name} needs the name of a package or a file`, summary, `%${name}`);
      const plugin = await load(module);
      const list = plugin.magics.map((one) => `%${one.name}`).join(" ");
      process.stdout.write(`${plugin.name} ${plugin.version}: ${list}\n`);
    },
    { complete: (args, cursor) => Promise.resolve(completePath(args, cursor, (file) => /\.[mc]?[tj]s$/.test(file))) },
  );
}

function loadExtension({ plugins }: BuiltinHost): Magic {
  const summary = "%load_ext PACKAGE: loads a plugin with its magics and typed globals";
  return extension("load_ext", summary, plugins.load);
}

function reloadExtension({ plugins }: BuiltinHost): Magic {
  const summary = "%reload_ext FILE: loads a plugin again that is being written";
  return extension("reload_ext", summary, plugins.reload);
}

function npm({ folder, packageRoot, forgetPackages }: BuiltinHost): Magic {
  const commands = ["install", "uninstall", "update", "list", "outdated", "view", "init"];
  return magic(
    "npm",
    npmUsage,
    async (args, { signal }) => {
      try {
        await runNpm(args, folder, packageRoot, signal);
      } finally {
        forgetPackages();
      }
    },
    { complete: (args, cursor) => Promise.resolve(completeNames(args, cursor, commands)) },
  );
}

function reset({ reset: forget }: BuiltinHost): Magic {
  const usage = "%reset [-f]: forgets all variables and types; imported modules stay loaded";
  return magic("reset", usage, (args) => {
    const { words } = readOptions(args, usage, ["-f"]);
    if (words.length > 0) throw userError("%reset forgets all variables and takes no name", usage, `%reset ${args}`);
    forget();
    return Promise.resolve();
  });
}

function writeFileMagic(): Magic {
  const usage = "%%writefile [-a] FILE: writes the rest of the cell to a file; -a appends";
  return magic("writefile", usage, () => Promise.reject(userError("%writefile needs the text of a cell", usage)), {
    async cell(args, body) {
      const { given, words } = readOptions(args, usage, ["-a"]);
      const [file, ...more] = words;
      if (file === undefined || more.length > 0)
        throw userError("%%writefile needs the name of one file", usage, `%%writefile ${args}`);
      const append = given.has("-a");
      const content = body.endsWith("\n") || body === "" ? body : `${body}\n`;
      try {
        await (append ? appendFile : writeFile)(path.resolve(expandHome(file)), content);
      } catch (error) {
        const why = (error as NodeJS.ErrnoException).code ?? String(error);
        throw userError(
          `${file} cannot be written: ${why}`,
          "name a file in a folder that exists",
          `%%writefile ${args}`,
        );
      }
      process.stdout.write(`${append ? "appended to" : "wrote"} ${file}\n`);
    },
    complete: (args, cursor) => Promise.resolve(completePath(args, cursor, () => true)),
  });
}

function html(): Magic {
  const usage = "%%html: shows the rest of the cell as HTML";
  return magic("html", usage, () => Promise.reject(userError("%html needs the text of a cell", usage)), {
    cell: (_args, body, context) => {
      context.display({ "text/html": body, "text/plain": body });
      return Promise.resolve();
    },
  });
}

function bash(): Magic {
  const usage = "%%bash: runs the rest of the cell as a script of bash";
  return magic("bash", usage, () => Promise.reject(userError("%bash needs the text of a cell", usage)), {
    async cell(args, body, { signal }) {
      if (args.trim() !== "") throw userError(`%%bash takes no arguments: ${args.trim()}`, usage, `%%bash ${args}`);
      await runShell(body, signal, { shell: "bash" });
    },
  });
}

/** Magics that become code before the cell is compiled; here for their help and the list. */
function codeMagic(name: string, usage: string, more: Partial<Magic> = {}): Magic {
  const needs = name === "capture" ? "%capture needs a whole cell: %%capture" : `%${name} needs code`;
  return magic(name, usage, () => Promise.reject(userError(needs, usage)), more);
}

function unquote(args: string): string {
  return args.trim().replace(/^(["'])(.*)\1$/, "$2");
}
