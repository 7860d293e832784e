/** Verbs of the command line alone: the kernel in a Jupyter, and JupyterLab with everything set up. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { installKernel, uninstallKernel, type Place } from "../kernel/install/index.js";
import { defineCommand, option, type Command } from "./commands/command.js";
import { AmsError } from "./errors.js";
import { packageRoot } from "./paths.js";

const place = {
  user: option(z.boolean().default(false), { help: "for this user, in every Jupyter of theirs (the default)" }),
  sysPrefix: option(z.boolean().default(false), { help: "for the Python environment that is active" }),
  prefix: option(z.string().optional(), {
    help: "for the Python environment in this folder",
    value: "DIR",
    complete: "folder",
  }),
  folder: option(z.string().optional(), {
    help: "into this Jupyter data folder (one that JUPYTER_PATH names)",
    value: "DIR",
    complete: "folder",
  }),
};

function placeOf(given: {
  user: boolean;
  sysPrefix: boolean;
  prefix?: string | undefined;
  folder?: string | undefined;
}): Place {
  return {
    ...(given.user ? { user: true } : {}),
    ...(given.sysPrefix ? { sysPrefix: true } : {}),
    ...(given.prefix === undefined ? {} : { prefix: given.prefix }),
    ...(given.folder === undefined ? {} : { folder: given.folder }),
  };
}

const install = defineCommand({
  name: "install",
  summary: "make the TypeScript (AMS) kernel known to a Jupyter",
  about: "Writes a kernelspec that points to this package. Then choose the kernel TypeScript (AMS) in JupyterLab.",
  options: place,
  aliases: {},
  examples: ["install", "install --sys-prefix", "install --prefix ~/miniconda3/envs/work"],
  resultType: "string",
  run: async (options) => {
    const { folder, listed } = await installKernel(placeOf(options));
    if (listed === false) {
      throw new AmsError("the kernel was written, but jupyter kernelspec list does not show it", {
        where: folder,
        hint: "choose the environment that jupyter runs in (--sys-prefix or --prefix), or remove the kernel that hides it",
      });
    }
    return listed === true
      ? `installed in ${folder}`
      : `written to ${folder} (no jupyter on PATH to ask whether it is listed)`;
  },
  json: (text) => ({ installed: text }),
});

const uninstall = defineCommand({
  name: "uninstall",
  summary: "remove what install wrote",
  about: "Give the same place as for install.",
  options: place,
  aliases: {},
  examples: ["uninstall", "uninstall --sys-prefix"],
  resultType: "string",
  run: async (options) => `removed ${await uninstallKernel(placeOf(options))}`,
  json: (text) => ({ uninstalled: text }),
});

const lab = defineCommand({
  name: "lab",
  summary: "set everything up and start JupyterLab with the notebooks",
  about:
    "The first start makes a private Python environment with JupyterLab inside the clone; later ones start at once.",
  options: {
    port: option(z.int().min(1).max(65535).optional(), { help: "the port to listen on", value: "N" }),
    browser: option(z.boolean().default(true), { help: "open a browser" }),
  },
  aliases: {},
  examples: ["lab", "lab --port 8890 --no-browser"],
  resultType: "string",
  run: ({ port, browser }, context) => {
    const script = path.join(packageRoot(), "scripts", "lab.mjs");
    if (!existsSync(script)) {
      throw new AmsError("this installation has no scripts to set JupyterLab up with", {
        where: script,
        hint: "run `ams install` to add the kernel to a Jupyter that you have, or `npm run lab` in a clone",
      });
    }
    const flags = [...(port === undefined ? [] : [`--port=${String(port)}`]), ...(browser ? [] : ["--no-browser"])];
    return new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [script, ...flags], { stdio: ["inherit", 2, 2], signal: context.signal });
      child.on("error", reject);
      child.on("close", (code) => {
        if (code === 0) resolve("JupyterLab has ended");
        else
          reject(
            new AmsError(`JupyterLab ended with code ${String(code)}`, {
              where: script,
              hint: "see its messages above",
            }),
          );
      });
    });
  },
  json: (text) => ({ lab: text }),
});

export const setupCommands: Command[] = [install, uninstall, lab];
