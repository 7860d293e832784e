/** Fetches TensorFlow for NVIDIA GPUs: the CUDA wheels by pip, in the layout in which their libraries find one another. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import { cc, findLibraries, framework, gpuFolder, recordName, type InstallRecord } from "./files.js";
import { findPython, runPip } from "./python.js";

const version = "2.21.0";

/**
 * What TensorFlow opens before it registers a GPU, out of its extra `and-cuda`, as resolved for this version; the extra's
 * compiler, profiler and multi-GPU libraries are left out (1 GB).
 */
const packages = [
  `tensorflow==${version}`,
  "nvidia-cublas-cu12==12.9.3.13",
  "nvidia-cuda-nvrtc-cu12==12.9.86",
  "nvidia-cuda-runtime-cu12==12.9.79",
  "nvidia-cudnn-cu12==9.28.0.42",
  "nvidia-cufft-cu12==11.4.1.4",
  "nvidia-cusolver-cu12==11.7.5.82",
  "nvidia-cusparse-cu12==12.5.10.65",
  "nvidia-nvjitlink-cu12==12.9.86",
];

const platforms = [
  "manylinux_2_27_x86_64",
  "manylinux_2_17_x86_64",
  "manylinux2014_x86_64",
  "manylinux_2_12_x86_64",
  "manylinux2010_x86_64",
];

/** What the folder grows to with the wheels and their contents; 4.7 GB stay. */
const workMegabytes = 5600;

/**
 * Installs the CUDA libraries under the AMS folder. Does nothing when they are there and whole; the folder appears at once and
 * complete.
 * @throws AmsError when the machine is not Linux on x86-64, there is no Python with pip, or the download fails.
 */
export async function installGpu(context: Context): Promise<void> {
  const retry = "ams engine install --gpu";
  const folder = gpuFolder();
  if (existsSync(folder)) {
    try {
      findLibraries(folder, retry);
      return;
    } catch {
      // Damaged or half removed: installed again in its place.
    }
  }
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new AmsError(`there are no CUDA wheels of TensorFlow for ${process.platform} on ${process.arch}`, {
      where: retry,
      hint: "use the native engine: ams engine native",
    });
  }
  const python = await findPython();
  const work = path.join(path.dirname(folder), `.install-gpu-${String(process.pid)}`);
  await rm(work, { recursive: true, force: true });
  try {
    const site = path.join(work, "site");
    await mkdir(site, { recursive: true });
    const args = [
      ...["install", "--no-deps", "--only-binary=:all:", "--implementation", "cp"],
      ...["--python-version", "3.11", "--abi", "cp311"],
      ...platforms.flatMap((platform) => ["--platform", platform]),
      ...["--target", site, ...packages],
    ];
    const label = `installing TensorFlow ${version} with CUDA`;
    await runPip(python, args, { folder: work, label, megabytes: workMegabytes, retry }, context);
    await prune(path.join(site, "tensorflow"));
    const files = await librarySizes(site);
    const record: InstallRecord = { package: "tensorflow", version, wheel: packages.join(" "), files };
    await writeFile(path.join(site, recordName), JSON.stringify(record, null, 2) + "\n");
    await rm(folder, { recursive: true, force: true });
    await rename(site, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Removes TensorFlow's Python from its folder: only the C library and its licences are used. */
async function prune(folder: string): Promise<void> {
  const wanted = [framework, cc, "THIRD_PARTY_NOTICES.txt"];
  const rest = (await readdir(folder)).filter((name) => !wanted.includes(name));
  await Promise.all(rest.map((name) => rm(path.join(folder, name), { recursive: true })));
}

/** Every shared library below a folder -> its size, by relative path. */
async function librarySizes(folder: string): Promise<Record<string, number>> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.so(\.\d+)*$/.test(name));
  const sizes = await Promise.all(
    names.map(async (name) => [name, (await stat(path.join(folder, name))).size] as const),
  );
  return Object.fromEntries(sizes);
}
