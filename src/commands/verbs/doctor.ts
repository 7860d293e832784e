/** `doctor`: what is there, what is missing, and the exact way to get it. */
import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import path from "node:path";
import { renderTable } from "../../display.js";
import type { Check } from "../../engine/types.js";
import { amsHome, packageRoot } from "../../paths.js";
import { defineCommand } from "../command.js";
import { formatBytes } from "../show/format.js";
import type { Report } from "../results.js";
import { shown } from "../show/shown.js";

export const doctorCommand = defineCommand({
  name: "doctor",
  summary: "what is there, what is missing, and how to get it",
  about:
    "Looks at engine, GPU, Node, memory, disk, JupyterLab, kernel, data sets and weights. Tries whether the folder of AMS can be written, and changes nothing else.",
  options: {},
  aliases: {},
  examples: ["doctor"],
  resultType: "Report",
  run: async (): Promise<Report> => {
    const { engineReport } = await import("../../engine/index.js");
    const checks = [...(await engineReport()), ...machine(), ...jupyter(), ...dataAndWeights()];
    return reportOf(checks);
  },
  json: ({ ok, checks }) => ({ ok, checks }),
});

export function reportOf(checks: Check[]): Report {
  const missing = checks.filter((check) => !check.ok).length;
  const verdict = missing === 0 ? "everything is there" : `${String(missing)} of ${String(checks.length)} missing`;
  const mark = (ok: boolean): string => (ok ? "✓" : "✗");
  return shown({ checks, ok: missing === 0 }, () => ({
    "text/html": renderTable({
      caption: verdict,
      columns: ["", "what", "found", "to do"],
      rows: checks.map(({ ok, name, found, hint }) => [mark(ok), name, found, ok ? null : (hint ?? null)]),
    }).html,
    "text/plain": [
      ...checks.flatMap(({ ok, name, found, hint }) => [
        `${mark(ok)} ${name.padEnd(24)}${found}`,
        ...(ok || hint === undefined ? [] : [`${"".padEnd(26)}to do: ${hint}`]),
      ]),
      verdict,
    ].join("\n"),
  }));
}

function machine(): Check[] {
  const major = Number(process.versions.node.split(".")[0]);
  return [
    {
      name: "Node",
      ok: major >= 20,
      found: `${process.version} on ${process.platform} ${process.arch}`,
      hint: "install Node 20 or later",
    },
    {
      name: "memory",
      ok: totalmem() >= 3e9,
      found: `${formatBytes(freemem())} free of ${formatBytes(totalmem())}`,
      hint: "the small model needs about 3 GB: close other programs, or train with a smaller --batch-size",
    },
    diskCheck(),
  ];
}

/** Whether there is room in the folder of everything generated, and leave to write in it. */
export function diskCheck(): Check {
  const home = amsHome();
  const probe = path.join(home, `.doctor-${String(process.pid)}`);
  try {
    mkdirSync(home, { recursive: true });
    writeFileSync(probe, "ams");
    rmSync(probe);
  } catch (error) {
    const found = `${home} cannot be written: ${(error as Error).message}`;
    return { name: "disk", ok: false, found, hint: "get leave to write there, or set AMS_HOME to another folder" };
  }
  const { bavail, bsize } = statfsSync(home);
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in ${home}`;
  return { name: "disk", ok: free >= 2e9, found, hint: "free 2 GB there, or set AMS_HOME to another folder" };
}

function jupyter(): Check[] {
  const python = path.join(amsHome(), "python");
  const bin = path.join(python, process.platform === "win32" ? "Scripts" : "bin");
  const hasLab = ["jupyter-lab", "jupyter-lab.exe"].some((name) => existsSync(path.join(bin, name)));
  const spec = path.join(amsHome(), "share", "jupyter", "kernels", "ams", "kernel.json");
  return [
    { name: "JupyterLab", ok: hasLab, found: hasLab ? python : "not set up", hint: "run: npm run lab" },
    {
      name: "kernel",
      ok: existsSync(spec),
      found: existsSync(spec) ? path.dirname(spec) : "not installed",
      hint: "run: npm run lab (or: ams install, for a Jupyter that you have)",
    },
  ];
}

function dataAndWeights(): Check[] {
  const data = path.join(amsHome(), "data");
  const sets = existsSync(data) ? readdirSync(data).filter((name) => !name.startsWith(".")) : [];
  const scenes = sets.filter((name) => name.startsWith("scenes"));
  const flickr = sets.includes("flickr30k");
  const models = ["scenes-small", "scenes-encoders"].map((name): Check => {
    const file = path.join(packageRoot(), "models", name, "model.safetensors");
    return {
      name: `model ${name}`,
      ok: existsSync(file),
      found: existsSync(file) ? path.dirname(file) : "not in the package",
      hint: "get the whole repository again, or make it: npm run train:small",
    };
  });
  return [
    {
      name: "data: scenes",
      ok: scenes.length > 0,
      found: scenes.length > 0 ? scenes.join(", ") : "not drawn yet",
      hint: "run: ams data scenes",
    },
    {
      name: "data: flickr30k",
      ok: true, // optional: the images are for their owners to give
      found: flickr
        ? path.join(data, "flickr30k")
        : "not here; with images of your own: ams data flickr30k --root DIR --annotations DIR",
    },
    ...models,
  ];
}
