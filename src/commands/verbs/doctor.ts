/** `doctor`: what is there, what is missing, and the exact way to get it. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import path from "node:path";
import { locate, type KnownName } from "../../data/locate.js";
import { formatBytes, renderTable } from "../../display.js";
import type { Check } from "../../engine/types.js";
import { AmsError, asTyped } from "../../errors.js";
import { installedKernels } from "../../installedKernels.js";
import { amsHome, packageRoot } from "../../paths.js";
import { makeFolder } from "../../writing.js";
import { defineCommand } from "../command.js";
import type { Report } from "../results.js";
import { shown } from "../show/shown.js";

export const doctorCommand = defineCommand({
  name: "doctor",
  summary: "what is there, what is missing, and how to get it",
  about:
    "Looks at Node, engines, GPU, memory, disk, JupyterLab, kernel, data sets and weights. Tries whether the folder of AMS can be written, and changes nothing else.",
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
  const verdict =
    missing === 0 ? "everything that is needed is there" : `${String(missing)} of ${String(checks.length)} missing`;
  const mark = ({ ok, optional }: Check): string => (!ok ? "✗" : optional === true ? "–" : "✓");
  return shown({ checks, ok: missing === 0 }, () => {
    const { html } = renderTable({
      caption: verdict,
      columns: ["", "what", "found", "to do"],
      rows: checks.map((check) => [mark(check), check.name, check.found, check.ok ? null : (check.hint ?? null)]),
    });
    const lines = [
      ...checks.flatMap((check) => [
        `${mark(check)} ${check.name.padEnd(24)}${check.found}`,
        ...(check.ok || check.hint === undefined ? [] : [`${"".padEnd(26)}to do: ${check.hint}`]),
      ]),
      verdict,
    ];
    return { "text/html": asTyped(html), "text/plain": asTyped(lines.join("\n")) };
  });
}

function machine(): Check[] {
  return [
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
    makeFolder(home);
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
  const bin = path.join(amsHome(), "python", process.platform === "win32" ? "Scripts" : "bin");
  const own = ["jupyter-lab", "jupyter-lab.exe"].some((name) => existsSync(path.join(bin, name)));
  const lab = own ? path.dirname(bin) : labOnPath();
  const spec = path.join(amsHome(), "share", "jupyter", "kernels", "ams");
  const listed = kernelOfJupyter();
  const kernels = [
    ...(existsSync(path.join(spec, "kernel.json")) ? [spec] : []),
    ...(listed === undefined ? [] : [listed]),
    ...installedKernels(),
  ];
  const start = existsSync(path.join(packageRoot(), "tsconfig.json")) ? "npm run lab" : "ams lab";
  return [
    { name: "JupyterLab", ok: lab !== undefined, found: lab ?? "not set up", hint: `run: ${start}` },
    {
      name: "kernel",
      ok: kernels.length > 0,
      found: kernels.length > 0 ? [...new Set(kernels)].join(", ") : "not installed",
      hint: `run: ${start} (or: ams install, for a Jupyter that you have)`,
    },
  ];
}

/** The JupyterLab that `jupyter lab` would start, in words; undefined when there is none. */
function labOnPath(): string | undefined {
  const { status, stdout } = spawnSync("jupyter", ["lab", "--version"], { encoding: "utf8", timeout: 20_000 });
  return status === 0 ? `JupyterLab ${stdout.trim()} of the jupyter on PATH` : undefined;
}

/** The folder of the kernel that the jupyter on PATH lists. */
function kernelOfJupyter(): string | undefined {
  const { stdout } = spawnSync("jupyter", ["kernelspec", "list", "--json"], { encoding: "utf8", timeout: 20_000 });
  try {
    const { kernelspecs } = JSON.parse(stdout) as { kernelspecs: Partial<Record<string, { resource_dir: string }>> };
    return kernelspecs["ams"]?.resource_dir;
  } catch {
    return undefined; // no jupyter, or one without kernels
  }
}

/** The sets of scenes in a folder that are whole: beside them lie those that are being drawn, and their locks. */
export function drawnScenes(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const whole = (name: string): boolean =>
    !name.endsWith(".part") && existsSync(path.join(folder, name, "manifest.json"));
  return names.filter((name) => name.startsWith("scenes") && whole(name)).sort();
}

function dataAndWeights(): Check[] {
  const data = path.join(amsHome(), "data");
  const scenes = drawnScenes(data);
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
      ok: true, // nothing is missing: they need no network and are drawn in seconds
      found: scenes.length > 0 ? scenes.join(", ") : "not drawn yet; they are when first used, or now: ams data scenes",
    },
    knownData("flickr30k"),
    knownData("coco"),
    ...models,
  ];
}

/** Whether a set of photographs is in one of its usual places; it is optional, as the images are for their owners to give. */
function knownData(name: KnownName): Check {
  try {
    const { root, source } = locate(name, {});
    return { name: `data: ${name}`, ok: true, found: `images in ${root}, annotations in the layout ${source.layout}` };
  } catch (error) {
    if (!(error instanceof AmsError)) throw error;
    return { name: `data: ${name}`, ok: true, optional: true, found: `${error.message}; what to do: ams data ${name}` };
  }
}
