"""Executes a notebook with its kernel and writes the executed notebook, also when a cell fails.

    execute_notebook.py NOTEBOOK.ipynb OUT.ipynb [--timeout SECONDS]

Every cell gets a line in the terminal: its number, its most telling line, how long it took; under a running cell the latest
progress text is shown (in place on a terminal, every 15 seconds in a log). Exit code 1 when a cell failed.
"""

import argparse
import os
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.sign import NotebookNotary

LIVE = sys.stdout.isatty()
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Reporter(NotebookClient):
    """A notebook client that says what it does."""

    def start(self):
        self.cells_total = sum(cell.cell_type == "code" for cell in self.nb.cells)
        self.cells_done = 0
        self.open_line = False

    def place(self):
        return f"[{self.cells_done + 1}/{self.cells_total}]"

    def head(self, cell):
        """The line that says most: the one with a command, else the first that is no comment."""
        lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
        commands = [line for mark in ("%ams", "ams.") for line in lines if mark in line]
        code = [line for line in lines if not line.startswith("//")]
        return f"{self.place()} {(commands + code + lines)[0]}"

    def write(self, text, keep):
        width = shutil.get_terminal_size().columns - 1
        width = width if LIVE else 119
        text = text if len(text) <= width else text[: width - 1] + "…"
        sys.stdout.write(("\r\x1b[2K" if LIVE else "") + text + ("\n" if keep or not LIVE else ""))
        sys.stdout.flush()
        self.open_line = LIVE and not keep

    async def async_execute_cell(self, cell, cell_index, *args, **kwargs):
        if cell.cell_type != "code" or not cell.source.strip():
            return await super().async_execute_cell(cell, cell_index, *args, **kwargs)
        self.began = self.shown = time.monotonic()
        if LIVE:
            self.write(f"  … {self.head(cell)}", keep=False)
        failed = True
        try:
            result = await super().async_execute_cell(cell, cell_index, *args, **kwargs)
            failed = False
            return result
        finally:
            mark = "✗" if failed else "✓"
            self.write(f"  {mark} {time.monotonic() - self.began:6.1f} s  {self.head(cell)}", keep=True)
            self.cells_done += 1

    def process_message(self, msg, cell, cell_index):
        kind, content = msg["msg_type"], msg["content"]
        if kind in ("display_data", "update_display_data"):
            self.remark(content.get("data", {}).get("text/plain", ""))
        elif kind == "stream":
            self.remark(content.get("text", ""))
        return super().process_message(msg, cell, cell_index)

    def remark(self, text):
        text = "".join(text) if isinstance(text, list) else str(text)
        lines = [line.strip() for line in ANSI.sub("", text).splitlines() if line.strip()]
        now = time.monotonic()
        if not lines or now - self.shown < (0.2 if LIVE else 15):
            return
        self.shown = now
        # A progress display starts with its state ("training: step 40 of 200, ...").
        self.write(f"  … {now - self.began:6.1f} s  {self.place()} {lines[0]}", keep=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path, help="where the executed notebook goes")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that one cell may take")
    parser.add_argument("--kernel", default="", help="kernel name, if not the notebook's own")
    options = parser.parse_args()

    notebook = nbformat.read(options.notebook, as_version=4)
    for cell in notebook.cells:  # what is stored there, so that a cell that is not reached has nothing
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = Reporter(
        notebook,
        timeout=options.timeout,
        startup_timeout=120,
        iopub_timeout=120,  # nbclient gives a cell's last outputs 4 s after its end, and drops what is later
        resources={"metadata": {"path": str(options.notebook.parent.resolve())}},
        **({"kernel_name": options.kernel} if options.kernel else {}),
    )
    client.start()
    failure = None
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failure = error
    except KeyboardInterrupt:
        failure = KeyboardInterrupt("interrupted")
    finally:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        draft = options.out.with_suffix(".part")
        nbformat.write(notebook, draft)
        os.replace(draft, options.out)
    # JupyterLab shows the pictures of a notebook that it trusts; this one was run here, by its reader.
    NotebookNotary().sign(notebook)
    if failure is None:
        return 0
    sys.stdout.flush()
    print(ANSI.sub("", str(failure)).strip(), file=sys.stderr)
    print(f"The notebook up to there: {options.out}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
