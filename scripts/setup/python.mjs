// The private Python environment with JupyterLab.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { environment, home, python, root } from "./paths.mjs";
import { hashOf, isCurrent, writeStamp } from "./stamp.mjs";
import { execute, SetupError } from "./steps.mjs";

/** The pinned packages for a Python: those of today need 3.11. */
const requirementsFor = (version) =>
  path.join(root, "scripts", Number(version.split(".")[1]) >= 11 ? "requirements.txt" : "requirements-3.9.txt");
const folder = path.join(home, "python");

/** The first Python >= 3.9 on PATH as {command, version, prefix}; `$AMS_PYTHON` chooses another one. */
export function findPython() {
  const chosen = process.env.AMS_PYTHON;
  const names = chosen
    ? [chosen]
    : ["python3", "python", ...[14, 13, 12, 11, 10, 9].map((minor) => `python3.${minor}`)];
  const found = [];
  for (const command of names) {
    const code = "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)";
    const { status, stdout } = spawnSync(command, ["-c", code], { encoding: "utf8" });
    if (status !== 0) continue;
    const [major, minor, ...executable] = stdout.trim().split(" ");
    found.push(`${command} is ${major}.${minor}`);
    if (Number(major) === 3 && Number(minor) >= 9)
      return { command: executable.join(" "), version: `${major}.${minor}` };
  }
  throw new SetupError(
    `Python 3.9 or newer is needed for JupyterLab; ${found.length > 0 ? found.join(", ") : `none of ${names.join(", ")} runs`}`,
    { hint: "install Python (Debian and Ubuntu: sudo apt-get install python3 python3-venv), or set AMS_PYTHON to one" },
  );
}

/** Creates the environment and installs the pinned packages into it, unless it is already that one. */
export async function installPython(say) {
  const { command, version } = findPython();
  const requirements = requirementsFor(version);
  const stamp = path.join(folder, ".ams-stamp");
  // An environment holds absolute paths: a moved clone needs a new one.
  const hash = hashOf(requirements, { text: `${version} ${folder}` });
  if (isCurrent(stamp, hash) && works()) return `already there (Python ${version})`;
  const env = environment();
  const { status } = spawnSync(command, ["-c", "import venv, ensurepip"], { env });
  if (status !== 0)
    throw new SetupError(`${command} has no venv module (Debian and Ubuntu ship it apart)`, {
      hint: `sudo apt-get install python3-venv (or python${version}-venv), then run this again`,
    });
  rmSync(folder, { recursive: true, force: true });
  say("python -m venv");
  await execute(command, ["-m", "venv", folder], { env });
  await execute(python, ["-m", "pip", "install", "--progress-bar", "off", "-r", requirements], {
    env,
    say,
    hint: "pip needs the package index once: check the network and the free space (about 300 MB), then run this again",
  });
  configureLab();
  writeStamp(stamp, hash);
  return `JupyterLab installed (Python ${version})`;
}

/** What the Python-side tests need beyond that: scripts/requirements-test.txt, and the clone's own python/. */
export async function installPythonForTests(say) {
  const tests = path.join(root, "scripts", "requirements-test.txt");
  const own = path.join(root, "python");
  const stamp = path.join(folder, ".ams-test-stamp"); // goes with the environment when that is made anew
  const hash = hashOf(tests, own);
  if (isCurrent(stamp, hash)) return "already there";
  const pip = (args) =>
    execute(python, ["-m", "pip", "install", "--progress-bar", "off", ...args], {
      env: environment(),
      say,
      hint: "pip needs the package index once: check the network, then run this again",
    });
  await pip(["-r", tests]);
  await pip(["--no-deps", "--no-build-isolation", "--force-reinstall", own]);
  writeStamp(stamp, hash);
  return "installed from requirements-test.txt";
}

function works() {
  const code =
    "import sys; from importlib.util import find_spec; sys.exit(not (find_spec('jupyterlab') and find_spec('nbconvert')))";
  return spawnSync(python, ["-c", code], { env: environment() }).status === 0;
}

/** JupyterLab asks at its first start whether it may fetch news: answered with no, without a pop-up. */
function configureLab() {
  const settings = path.join(folder, "share", "jupyter", "lab", "settings");
  mkdirSync(settings, { recursive: true });
  const overrides = { "@jupyterlab/apputils-extension:notification": { fetchNews: "false", checkForUpdates: false } };
  writeFileSync(path.join(settings, "overrides.json"), `${JSON.stringify(overrides, null, 2)}\n`);
}
