/** Fetches TensorFlow's libraries: the PyPI wheel by pip, of which only the two libraries and the licences are kept. */
import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { Context } from "../../context.js";
import { AmsError } from "../../errors.js";
import { choosing } from "../environment.js";
import { surroundings } from "../surroundings.js";
import { cc, framework, installCommand, nativeFolder, tensorflowVersion } from "./files.js";
import { installInto, type InstallAround, type Installation } from "./installInto.js";
import { pipFailure, runPip } from "./python.js";

const run = promisify(execFile);

interface Wheel {
  package: string;
  sha256: string;
  megabytes: number;
  platforms: string[];
}

/** The wheels, pinned by their hash: pip refuses any other file. Which Python one is for does not matter to its libraries. */
const wheels: Partial<Record<NodeJS.Architecture, Wheel>> = {
  x64: {
    package: "tensorflow-cpu",
    sha256: "c855cb6bf05d32dd5928086b03a5f6b4189b63c22b95e017703cbee4291023ca",
    megabytes: 214,
    platforms: ["manylinux_2_17_x86_64", "manylinux2014_x86_64"],
  },
  arm64: {
    package: "tensorflow",
    sha256: "8728b12bc86941d90d0a927c40d4b21f8820964a80439a7c45f850eb37d57067",
    megabytes: 219,
    platforms: ["manylinux_2_17_aarch64", "manylinux2014_aarch64"],
  },
};

/** What the libraries and licences take on disk. */
const unpackedMegabytes = 640;

/** Extracts the wanted members of a wheel (a zip file) and prints their sizes as JSON. */
const extractScript = `
import json, os, shutil, sys, zipfile
wheel, folder = sys.argv[1:3]
sizes = {}
with zipfile.ZipFile(wheel) as archive:
    for info in archive.infolist():
        name = os.path.basename(info.filename)
        top = info.filename.startswith("tensorflow/") and info.filename.count("/") == 1
        if top and name in (${JSON.stringify(framework)}, ${JSON.stringify(cc)}, "THIRD_PARTY_NOTICES.txt"):
            target = name
        elif info.filename == "tensorflow/include/LICENSE" or info.filename.endswith(".dist-info/LICENSE"):
            target = "LICENSE"
        else:
            continue
        with archive.open(info) as source, open(os.path.join(folder, target), "wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        sizes[target] = info.file_size
print(json.dumps(sizes))
`;

/**
 * Installs the CPU libraries under the AMS folder (632 MB; 214 MB to download).
 * @throws AmsError when it cannot be made (see `installInto`) or the download fails.
 */
export async function installCpu(context: Context, around: InstallAround = {}): Promise<void> {
  const wheel = wheels[(around.machine ?? surroundings()).arch as NodeJS.Architecture];
  const installation: Installation = {
    engine: "native",
    folder: nativeFolder(),
    megabytes: (wheel?.megabytes ?? 0) + unpackedMegabytes,
    make: (python, work, within) => unpacked(wheel!, python, work, within), // machines without a wheel are refused before
  };
  await installInto(installation, context, around);
}

async function unpacked(
  wheel: Wheel,
  python: string,
  work: string,
  context: Context,
): ReturnType<Installation["make"]> {
  const [downloads, files] = [path.join(work, "download"), path.join(work, "files")];
  await mkdir(downloads);
  await mkdir(files);
  const file = await download(wheel, python, downloads, context);
  context.progress({ label: "unpacking TensorFlow", done: 0, total: 1, note: "632 MB" });
  const sizes = await extract(python, file, files, context);
  context.progress({ label: "unpacking TensorFlow", done: 1, total: 1, note: "632 MB" });
  const { package: name, sha256 } = wheel;
  const record = { package: name, version: tensorflowVersion, wheel: path.basename(file), sha256, files: sizes };
  return { files, record };
}

/** Downloads the wheel with pip into `folder` -> its path. */
async function download(wheel: Wheel, python: string, folder: string, context: Context): Promise<string> {
  const requirements = path.join(folder, "requirements.txt");
  await writeFile(requirements, `${wheel.package}==${tensorflowVersion} --hash=sha256:${wheel.sha256}\n`);
  const args = [
    ...["download", "--no-deps", "--only-binary=:all:"],
    ...["--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"],
    ...wheel.platforms.flatMap((platform) => ["--platform", platform]),
    ...["--require-hashes", "-r", requirements, "-d", folder],
  ];
  const label = `downloading TensorFlow ${tensorflowVersion}`;
  await runPip(python, args, { folder, label, megabytes: wheel.megabytes, retry: installCommand.native }, context);
  const name = (await readdir(folder)).find((entry) => entry.endsWith(".whl"));
  if (name === undefined) throw new Error(`pip left no wheel in ${folder}`);
  return path.join(folder, name);
}

async function extract(
  python: string,
  file: string,
  folder: string,
  context: Context,
): Promise<Record<string, number>> {
  const { stdout } = await run(python, ["-c", extractScript, file, folder], { signal: context.signal }).catch(
    (error: unknown) => {
      if (context.signal.aborted) throw error;
      throw pipFailure((error as { stderr?: string }).stderr ?? "", {
        label: `unpacking ${path.basename(file)}`,
        retry: installCommand.native,
      });
    },
  );
  const sizes = JSON.parse(stdout) as Record<string, number>;
  for (const name of [framework, cc, "LICENSE", "THIRD_PARTY_NOTICES.txt"]) {
    if (sizes[name] === undefined)
      throw new AmsError(`the wheel has no ${name}`, {
        where: path.basename(file),
        hint: `install again: ${installCommand.native}; until then use the WASM engine: ${choosing("wasm")}`,
      });
  }
  return sizes;
}
