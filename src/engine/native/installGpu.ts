/** Fetches TensorFlow for NVIDIA GPUs: the CUDA wheels by pip, in the layout in which their libraries find one another. */
import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Context } from "../../context.js";
import { cc, cudaTensorflowVersion as version, framework, gpuFolder, installCommand } from "./files.js";
import { installInto, type InstallAround, type Installation } from "./installInto.js";
import { runPip } from "./python.js";

/**
 * What TensorFlow opens before it registers a GPU, out of its extra `and-cuda`, as resolved for this version; the extra's
 * compiler, profiler and multi-GPU libraries are left out (1 GB). Each wheel with its SHA-256, as the package index states it.
 */
const packages: readonly (readonly [pinned: string, sha256: string])[] = [
  [`tensorflow==${version}`, "9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124"],
  ["nvidia-cublas-cu12==12.9.3.13", "d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72"],
  ["nvidia-cuda-nvrtc-cu12==12.9.86", "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4"],
  ["nvidia-cuda-runtime-cu12==12.9.79", "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3"],
  ["nvidia-cudnn-cu12==9.28.0.42", "9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375"],
  ["nvidia-cufft-cu12==11.4.1.4", "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28"],
  ["nvidia-cusolver-cu12==11.7.5.82", "15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88"],
  ["nvidia-cusparse-cu12==12.5.10.65", "73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78"],
  ["nvidia-nvjitlink-cu12==12.9.86", "e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9"],
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
 * Installs the CUDA libraries under the AMS folder, for Linux on x86-64 with glibc.
 * @throws AmsError when it cannot be made (see `installInto`) or the download fails.
 */
export async function installGpu(context: Context, around: InstallAround = {}): Promise<void> {
  const retry = installCommand.gpu;
  const make: Installation["make"] = async (python, work, context) => {
    const site = path.join(work, "site");
    await mkdir(site);
    const requirements = path.join(work, "requirements.txt");
    await writeFile(requirements, packages.map(([pinned, hash]) => `${pinned} --hash=sha256:${hash}\n`).join(""));
    const args = [
      ...["install", "--no-deps", "--only-binary=:all:", "--implementation", "cp"],
      ...["--python-version", "3.11", "--abi", "cp311"],
      ...platforms.flatMap((platform) => ["--platform", platform]),
      ...["--target", site, "--require-hashes", "-r", requirements],
    ];
    const label = `installing TensorFlow ${version} with CUDA`;
    await runPip(python, args, { folder: work, label, megabytes: workMegabytes, retry }, context);
    await prune(path.join(site, "tensorflow"));
    const record = {
      package: "tensorflow",
      version,
      wheel: packages.map(([pinned]) => pinned).join(" "),
      files: await librarySizes(site),
    };
    return { files: site, record };
  };
  await installInto({ engine: "gpu", folder: gpuFolder(), megabytes: workMegabytes, make }, context, around);
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
