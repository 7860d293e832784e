/** The magics that every session has: %lsmagic %who %cd %env %load_ext %reset %%writefile %%html; %time and %timeit as text. */
import { appendFile, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import util from "node:util";
import type { Magic, MimeBundle } from "../plugin.js";
import { userError, type Plugins } from "./plugins.js";

export interface BuiltinHost {
  plugins: Plugins;
  /** The names and values of the session's variables. */
  variables: () => [string, unknown][];
  /** Forgets variables and types. */
  reset: () => void;
}

export function createBuiltins(host: BuiltinHost): Magic[] {
  return [
    listMagics(host),
    who(host),
    changeFolder(),
    environment(),
    loadExtension(host),
    reset(host),
    writeFileMagic(),
  ].concat(
    html(),
    codeMagic("time", "%time CODE or %%time: runs the code and prints CPU and wall time; the value is the code's own"),
    codeMagic(
      "timeit",
      "%timeit [-n LOOPS] [-r REPEATS] CODE or %%timeit: runs the code many times and prints the mean time of one run",
    ),
  );
}

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
  const escape = (raw: string): string => raw.replace(/[&<>"']/g, (c) => `&#${String(c.charCodeAt(0))};`);
  const cell = (raw: string): string => `<td style="text-align:left;white-space:pre-wrap">${escape(raw)}</td>`;
  return {
    "text/plain": rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n"),
    "text/html": `<table><tbody>${rows.map(([name, value]) => `<tr>${cell(name)}${cell(value)}</tr>`).join("")}</tbody></table>`,
  };
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
      return shown(table([...rows, ["!command", "runs a command in the shell"], ["name? ?name", "explains a name"]]));
    },
    { returnType: () => "unknown" },
  );
}

function who({ variables }: BuiltinHost): Magic {
  return magic(
    "who",
    "%who: the session's variables with their values",
    () => {
      const rows = variables().map(([name, value]): [string, string] => {
        const full = util.inspect(value, { depth: 0, breakLength: Infinity, maxArrayLength: 5, maxStringLength: 60 });
        return [name, full.length > 100 ? `${full.slice(0, 99)}…` : full];
      });
      return Promise.resolve(shown(rows.length === 0 ? text("no variables") : table(rows)));
    },
    { returnType: () => "unknown" },
  );
}

function changeFolder(): Magic {
  return magic("cd", "%cd [FOLDER]: changes the current folder (home without one) and prints it", (args) => {
    const folder = unquote(args).replace(/^~(?=$|[/\\])/, os.homedir()) || os.homedir();
    try {
      process.chdir(folder);
    } catch {
      throw userError(`there is no folder ${path.resolve(folder)}`, "%cd takes a folder that exists");
    }
    process.stdout.write(`${process.cwd()}\n`);
    return Promise.resolve();
  });
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
        throw userError(`the environment has no ${name}`, `%env ${name}=VALUE sets it`);
      return Promise.resolve(process.env[name]);
    },
    { returnType: (args) => (/^[^\s=]+$/.test(args.trim()) ? "string" : "unknown") },
  );
}

function loadExtension({ plugins }: BuiltinHost): Magic {
  return magic("load_ext", "%load_ext PACKAGE: loads a plugin with its magics and typed globals", async (args) => {
    const name = unquote(args);
    if (name === "") throw userError("%load_ext needs the name of a package or a file", "%load_ext PACKAGE");
    const plugin = await plugins.load(name);
    const list = plugin.magics.map((one) => `%${one.name}`).join(" ");
    process.stdout.write(`${plugin.name} ${plugin.version}: ${list}\n`);
  });
}

function reset({ reset: forget }: BuiltinHost): Magic {
  return magic("reset", "%reset: forgets all variables and types; imported modules stay loaded", () => {
    forget();
    return Promise.resolve();
  });
}

function writeFileMagic(): Magic {
  const usage = "%%writefile [-a] FILE: writes the rest of the cell to a file; -a appends";
  return magic("writefile", usage, () => Promise.reject(userError("%writefile needs the text of a cell", usage)), {
    async cell(args, body) {
      const append = /^-a\s+|\s+-a$/.test(args);
      const file = unquote(args.replace(/^-a\s+|\s+-a$/, ""));
      if (file === "") throw userError("%%writefile needs the name of a file", usage);
      await (append ? appendFile : writeFile)(file, body.endsWith("\n") || body === "" ? body : `${body}\n`);
      process.stdout.write(`${append ? "appended to" : "wrote"} ${file}\n`);
    },
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

/** Magics that become code before the cell is compiled; here for their help and the list. */
function codeMagic(name: string, usage: string): Magic {
  return magic(name, usage, () => Promise.reject(userError(`%${name} needs code`, usage)));
}

function unquote(args: string): string {
  return args.trim().replace(/^(["'])(.*)\1$/, "$2");
}
