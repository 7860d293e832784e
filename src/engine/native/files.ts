/** Where TensorFlow's libraries are on disk, and whether they are whole. */
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { AmsError } from "../../errors.js";
import { amsHome } from "../../paths.js";

export const tensorflowVersion = "2.16.2";
export const framework = "libtensorflow_framework.so.2";
export const cc = "libtensorflow_cc.so.2";

/** Written last by an installation: which wheel the files came from, and how long each is. */
export interface InstallRecord {
  package: string;
  version: string;
  wheel: string;
  /** Of the wheel, where one is pinned. */
  sha256?: string;
  files: Record<string, number>;
}

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
  return path.join(amsHome(), "engine", "gpu");
}

export interface LibraryFiles {
  framework: string;
  cc: string;
  version: string;
}

/**
 * The libraries in `folder`, checked against the record of their installation: a library that was cut short would kill the
 * process with a bus error when it is loaded, not throw.
 * @throws AmsError when they are missing, incomplete or changed.
 */
export function findLibraries(folder: string, install: string): LibraryFiles {
  const recordFile = path.join(folder, recordName);
  if (!existsSync(recordFile)) {
    throw new AmsError("TensorFlow's libraries are not installed", { where: folder, hint: `run: ${install}` });
  }
  const record = JSON.parse(readFileSync(recordFile, "utf8")) as InstallRecord;
  const again = `delete ${folder} and run: ${install}`;
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
  return { framework: locate(framework), cc: locate(cc), version: record.version };
}

/** Why this machine cannot use TensorFlow's wheel (and takes WASM instead), or undefined when it can. */
export function unsupported(): string | undefined {
  if (process.platform !== "linux") return `TensorFlow's wheel has no C library for ${process.platform}`;
  if (process.arch !== "x64" && process.arch !== "arm64") {
    return `there is no TensorFlow ${tensorflowVersion} wheel for Linux on ${process.arch}`;
  }
  const header = (process.report.getReport() as { header?: { glibcVersionRuntime?: string } }).header;
  if (header?.glibcVersionRuntime === undefined)
    return "TensorFlow's wheel needs glibc; this system has another C library";
  return undefined;
}

/** True with a driver's files: the kernel module's, a container's device or WSL's. */
export function gpuDriverHere(): boolean {
  return ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"].some((file) => existsSync(file));
}
