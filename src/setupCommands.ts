/** Verbs of the command line alone: the kernel in a Jupyter, and JupyterLab with everything set up. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { installKernel, uninstallKernel, type Place } from "../kernel/install/index.js";
import { defineCommand, option, type Command } from "./commands/command.js";
import { resolvePath } from "./commands/session.js";
import { AmsError } from "./errors.js";
import { packageRoot } from "./paths.js";
import { completionScript, shells } from "./shellCompletion.js";

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
    const { folder, listing } = await installKernel(placeOf(options));
    if (listing === "not listed") {
      throw new AmsError("the kernel was written, but jupyter kernelspec list does not show it", {
        where: folder,
        hint: "choose the environment that jupyter runs in (--sys-prefix or --prefix), or remove the kernel that hides it",
      });
    }
    return listing === "listed"
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
    "The first start makes a private Python environment with JupyterLab (in .ams inside a clone, else in ~/.ams); later ones start at once.",
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

const notebooks = defineCommand({
  name: "notebooks",
  summary: "copy the notebooks that explain everything, the tour first",
  about:
    "Copies them into a folder of yours, where they can be changed, and says where the documents lie that they name. Files that are there already are left alone.",
  options: {
    folder: option(z.string().default("ams-notebooks"), { help: "where to", value: "FOLDER", complete: "folder" }),
  },
  positional: { option: "folder" },
  aliases: {},
  examples: ["notebooks", "notebooks ~/learning-ams"],
  resultType: "string",
  run: async ({ folder }, _context, session) => {
    const from = path.join(packageRoot(), "notebooks");
    const to = resolvePath(session, folder);
    await mkdir(to, { recursive: true });
    const names = (await readdir(from)).filter((name) => name.endsWith(".ipynb")).sort();
    const fresh = names.filter((name) => !existsSync(path.join(to, name)));
    for (const name of fresh) await copyFile(path.join(from, name), path.join(to, name));
    const kept = names.length - fresh.length;
    const copied = `${String(fresh.length)} notebooks copied to ${to}${kept > 0 ? `, ${String(kept)} were there already` : ""}`;
    return `${copied}; the documents that they name are in ${path.join(packageRoot(), "docs")}`;
  },
  json: (text) => ({ notebooks: text }),
});

const completion = defineCommand({
  name: "completion",
  summary: "print the script that completes verbs, options and values in a shell",
  about:
    'Tab then offers what it offers in a notebook. bash: eval "$(ams completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc after compinit; ' +
    "fish: ams completion fish > ~/.config/fish/completions/ams.fish. The program must be on PATH as ams.",
  options: { shell: option(z.enum(shells), { help: "which shell", value: "SHELL" }) },
  positional: { option: "shell" },
  aliases: {},
  examples: ["completion bash", "completion zsh", "completion fish"],
  resultType: "string",
  run: ({ shell }) => Promise.resolve(completionScript(shell)),
  json: (text) => ({ script: text }),
});

export const setupCommands: Command[] = [install, uninstall, lab, notebooks, completion];
