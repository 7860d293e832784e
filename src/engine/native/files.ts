/** Where TensorFlow's libraries are on disk, and whether they are whole. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { AmsError } from "../../errors.js";
import { amsHome } from "../../paths.js";

export const tensorflowVersion = "2.16.2";
/** Of the CUDA wheel. */
export const cudaTensorflowVersion = "2.21.0";
export const framework = "libtensorflow_framework.so.2";
export const cc = "libtensorflow_cc.so.2";

/** Written last by an installation: which wheel the files came from, how long each is, and its hash. */
export interface InstallRecord {
  package: string;
  version: string;
  wheel: string;
  /** Of the wheel, where one is pinned. */
  sha256?: string;
  files: Record<string, number>;
  /** SHA-256 of each file. Absent where pip keeps the record. */
  hashes?: Record<string, string>;
}

export const installCommand = { native: "ams engine install", gpu: "ams engine install --gpu" };

export const recordName = "installed.json";

/** The folder of the CPU libraries. */
export function nativeFolder(): string {
  return path.join(amsHome(), "engine", `tensorflow-cpu-${tensorflowVersion}`);
}

/**
 * The folder of the CUDA libraries: a site-packages layout (`tensorflow/`, `nvidia/`), because TensorFlow finds CUDA's
 * libraries relative to itself.
 */
export function gpuFolder(): string {
  return path.join(amsHome(), "engine", `tensorflow-cuda-${cudaTensorflowVersion}`);
}

/**
 * Where the libraries of an engine are: what `ams engine install` made, else the TensorFlow that pip installed beside our wheel
 * (its extras `cpu` and `gpu`), whose site-packages the wheel's launcher names in AMS_SITE_PACKAGES.
 */
export function librariesFolder(engine: "native" | "gpu"): string {
  const own = engine === "native" ? nativeFolder() : gpuFolder();
  if (existsSync(path.join(own, recordName))) return own;
  const site = process.env["AMS_SITE_PACKAGES"];
  if (site === undefined || site === "" || pipRecordFile(site) === undefined) return own;
  return engine === "native" || existsSync(path.join(site, "nvidia", "cudnn")) ? site : own;
}

/** Whether libraries of the engine are there at all, whole or not. */
export function isInstalled(engine: "native" | "gpu"): boolean {
  const folder = librariesFolder(engine);
  return existsSync(path.join(folder, recordName)) || pipRecordFile(folder) !== undefined;
}

/** pip's list of TensorFlow's files in a site-packages folder; only the version that this product is made for counts. */
function pipRecordFile(site: string): string | undefined {
  return ["tensorflow_cpu", "tensorflow"]
    .map((name) => path.join(site, `${name}-${tensorflowVersion}.dist-info`, "RECORD"))
    .find((file) => existsSync(file));
}

/** pip's RECORD (path, hash, bytes a line) as a record of ours, with the two libraries. */
function pipRecord(file: string): InstallRecord {
  const lines = readFileSync(file, "utf8").split("\n");
  const files = [framework, cc].map((name): [string, number] => {
    const entry = lines.find((line) => line.startsWith(`tensorflow/${name},`))?.split(",");
    if (entry === undefined)
      throw new AmsError(`${name} is not part of the TensorFlow that pip installed`, {
        where: file,
        hint: "install it again with pip, or run: ams engine install",
      });
    return [entry[0]!, Number(entry[2])];
  });
  const wheel = path.basename(path.dirname(file));
  return { package: "tensorflow", version: tensorflowVersion, wheel, files: Object.fromEntries(files) };
}

export interface LibraryFiles {
  framework: string;
  cc: string;
  version: string;
  /** What to do when a library of the recorded length cannot be loaded. */
  repair: string;
}

/**
 * The libraries in `folder`, checked against the record of their installation: a library that was cut short would kill the
 * process with a bus error when it is loaded, not throw.
 * @throws AmsError when they are missing, incomplete or changed.
 */
export function findLibraries(folder: string, install: string): LibraryFiles {
  const recordFile = path.join(folder, recordName);
  const byPip = existsSync(recordFile) ? undefined : pipRecordFile(folder);
  if (!existsSync(recordFile) && byPip === undefined) {
    throw new AmsError("TensorFlow's libraries are not installed", { where: folder, hint: `run: ${install}` });
  }
  const again =
    byPip === undefined
      ? `delete ${folder} and run: ${install}`
      : `let pip install TensorFlow ${tensorflowVersion} again, or run: ${install}`;
  const record = byPip === undefined ? readRecord(recordFile, again) : pipRecord(byPip);
  for (const [name, bytes] of Object.entries(record.files)) {
    const file = path.join(folder, name);
    const found = statSync(file, { throwIfNoEntry: false })?.size;
    if (found !== bytes) {
      throw new AmsError(
        `${name} has ${found === undefined ? "gone" : `${String(found)} bytes instead of ${String(bytes)}`}`,
        {
          where: file,
          hint: again,
        },
      );
    }
  }
  const locate = (name: string): string => {
    const entry = Object.keys(record.files).find((file) => path.basename(file) === name);
    if (entry === undefined)
      throw new AmsError(`${name} is not part of the installation`, { where: recordFile, hint: again });
    return path.join(folder, entry);
  };
  const repair = byPip === undefined ? `run: ${install} (it checks every file, and fetches damaged ones again)` : again;
  return { framework: locate(framework), cc: locate(cc), version: record.version, repair };
}

/** SHA-256 of files below a folder, by their names; 0.6 GB take about a second. */
export async function hashesOf(folder: string, names: string[], signal: AbortSignal): Promise<Record<string, string>> {
  const hashes: [string, string][] = [];
  for (const name of names) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path.join(folder, name), { highWaterMark: 2 ** 20 }), hash, { signal });
    hashes.push([name, hash.digest("hex")]);
  }
  return Object.fromEntries(hashes);
}

/** Whether the folder holds an installation of ours of which every byte is as it came. */
export async function isWhole(folder: string, signal: AbortSignal): Promise<boolean> {
  let record: InstallRecord;
  try {
    findLibraries(folder, "");
    record = readRecord(path.join(folder, recordName), "");
  } catch {
    return false; // not there, damaged, or half removed
  }
  const { hashes = {} } = record;
  const names = Object.keys(record.files);
  if (!names.every((name) => name in hashes)) return false;
  const found = await hashesOf(folder, names, signal);
  return names.every((name) => found[name] === hashes[name]);
}

function readRecord(file: string, hint: string): InstallRecord {
  try {
    const record = JSON.parse(readFileSync(file, "utf8")) as Partial<InstallRecord> | null;
    if (typeof record?.files === "object" && typeof record.version === "string") return record as InstallRecord;
    throw new Error("it does not list the installed files");
  } catch (error) {
    const { message } = error as Error;
    throw new AmsError(`the record of TensorFlow's installation is damaged: ${message}`, {
      where: file,
      hint,
      cause: error,
    });
  }
}
