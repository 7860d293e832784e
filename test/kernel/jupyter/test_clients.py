"""The programs that people run notebooks with, on the kernel: each started as its users start it."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from importlib.util import find_spec
from pathlib import Path

import nbformat
import nbformat.v4 as v4
import zmq
from jupyter_client.manager import KernelManager

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
METADATA = {"kernelspec": {"name": "ams", "language": "typescript", "display_name": "TypeScript (AMS)"}}


def needs(package):
    return unittest.skipUnless(find_spec(package), f"{package} does not exist for this Python")


def write(path, *cells):
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells], metadata=METADATA), path)


def run(*args, **options):
    return subprocess.run([sys.executable, "-m", *map(str, args)], capture_output=True, text=True, timeout=120, **options)


def texts(notebook):
    """The text of each cell's outputs."""
    found = []
    for cell in notebook.cells:
        outputs = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in cell.get("outputs", [])]
        found.append("".join(outputs).strip())
    return found


class Clients(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="ams clients ")  # with a space, as people's folders have
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.notebook = self.folder / "a notebook.ipynb"

    def test_kernelspec_list_shows_the_kernel(self):
        listed = json.loads(run("jupyter", "kernelspec", "list", "--json").stdout)["kernelspecs"]
        spec = listed["ams"]["spec"]
        self.assertEqual(spec["metadata"]["supported_encryption"], "curve")
        self.assertEqual(spec["interrupt_mode"], "message")

    def test_nbconvert_executes_and_exports(self):
        write(self.notebook, "const n: number = 20;", "n + 1", "display.html('<b>rich</b>')", "console.log('last')")
        done = run("nbconvert", "--to", "notebook", "--execute", "--output", "executed", self.notebook)
        self.assertEqual(done.returncode, 0, done.stderr)
        executed = nbformat.read(self.folder / "executed.ipynb", as_version=4)
        self.assertEqual(texts(executed), ["", "21", "<b>rich</b>", "last"])
        self.assertEqual(executed.metadata.language_info.name, "typescript")
        self.assertEqual([cell.execution_count for cell in executed.cells], [1, 2, 3, 4])
        script = run("nbconvert", "--to", "script", self.folder / "executed.ipynb")
        self.assertEqual(script.returncode, 0, script.stderr)
        self.assertIn("const n: number = 20;", (self.folder / "executed.ts").read_text())

    def test_nbconvert_stops_at_an_error_and_names_it(self):
        write(self.notebook, "throw new RangeError('too far')", "'not reached'")
        done = run("nbconvert", "--to", "notebook", "--execute", "--output", "executed", self.notebook)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("RangeError", done.stderr)
        self.assertIn("too far", done.stderr)

    @needs("papermill")
    def test_papermill_writes_parameters_in_typescript(self):
        values = {
            "epochs": 5,
            "rate": 1e-3,
            "name": 'quo"te \\ and ${x} 😀',
            "flags": [True, False, None],
            "nested": {"a key": {"list": [1, 2.5, "x"]}},
            "big": 2**60,
        }
        write(
            self.notebook,
            "let epochs = 1; // how often\nlet rate: number = 0.1;\nlet name = 'none', flags: unknown[] = [], nested = {}, big = 0n;",
            "const doubled: number = epochs * 2;\n[doubled, rate, name, JSON.stringify(flags), JSON.stringify(nested), big]",
        )
        notebook = nbformat.read(self.notebook, as_version=4)
        notebook.cells[0].metadata.tags = ["parameters"]
        nbformat.write(notebook, self.notebook)
        parameters = self.folder / "parameters.yaml"
        parameters.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        out = self.folder / "out.ipynb"
        done = run("papermill", self.notebook, out, "-f", parameters, "--no-progress-bar")
        self.assertEqual(done.returncode, 0, done.stderr)
        executed = nbformat.read(out, as_version=4)
        self.assertEqual(executed.cells[1].metadata.tags, ["injected-parameters"])
        self.assertIn("let epochs = 5;", executed.cells[1].source)
        shown = texts(executed)[2]
        for expected in ["10,", "0.001", r"""quo"te \\ and ${x} 😀""", "[true,false,null]", '{"a key":{"list":[1,2.5,"x"]}}', f"{2**60}n"]:
            self.assertIn(expected, shown)
        told = run("papermill", "--help-notebook", self.notebook)
        self.assertRegex(told.stdout + told.stderr, r"epochs: Unknown type \(default 1\)\s+how often")
        self.assertRegex(told.stdout + told.stderr, r"rate: number \(default 0.1\)")

    @needs("papermill")
    def test_papermill_tells_a_failing_cell(self):
        write(self.notebook, "const wrong: string = 1;")
        done = run("papermill", self.notebook, self.folder / "out.ipynb", "--no-progress-bar")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Type 'number' is not assignable to type 'string'", done.stderr)

    @needs("jupytext")
    def test_jupytext_pairs_a_notebook_with_a_ts_file(self):
        write(self.notebook, "// the first cell\nconst n: number = 2;", "%time n * 2", "n + 40")
        paired = run("jupytext", "--set-formats", "ipynb,ts:percent", self.notebook)
        self.assertEqual(paired.returncode, 0, paired.stderr)
        script = self.notebook.with_suffix(".ts")
        text = script.read_text()
        self.assertIn("// %%\n// the first cell\nconst n: number = 2;", text)
        self.assertIn("language: typescript", text)
        script.write_text(text.replace("n + 40", "n + 41"))
        os.utime(script, (time.time() + 5, time.time() + 5))
        synced = run("jupytext", "--sync", self.notebook)
        self.assertEqual(synced.returncode, 0, synced.stderr)
        cells = nbformat.read(self.notebook, as_version=4).cells
        self.assertEqual(cells[2].source, "n + 41")
        self.assertEqual(cells[1].source, "%time n * 2", "a magic comes back as it was")
        executed = run("jupytext", "--to", "ipynb", "--execute", "--output", self.folder / "executed.ipynb", script)
        self.assertEqual(executed.returncode, 0, executed.stderr)
        self.assertEqual(texts(nbformat.read(self.folder / "executed.ipynb", as_version=4))[2], "43")

    @needs("pexpect")
    def test_jupyter_console_runs_asks_and_leaves(self):
        import pexpect

        console = pexpect.spawn(
            sys.executable,
            ["-m", "jupyter_console", "--kernel", "ams", "--simple-prompt"],
            cwd=self.folder,
            encoding="utf-8",
            timeout=60,
            env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},
        )
        self.addCleanup(console.close, force=True)
        console.expect_exact("In [1]: ")
        console.sendline("const n: number = 20")
        console.expect(r"In \[2\]: ")
        console.sendline("n * 2 + 2")
        console.expect(r"42")
        console.expect(r"In \[3\]: ")
        console.sendline("prompt('your name? ')")
        console.expect_exact("your name? ")
        console.sendline("Ada")
        console.expect_exact("'Ada'")
        console.expect(r"In \[4\]: ")
        console.sendline("exit")
        console.expect(pexpect.EOF)


class Manager(unittest.TestCase):
    """The kernel under jupyter_client's own manager."""

    def start(self, **options):
        manager = KernelManager(kernel_name="ams", **options)
        manager.start_kernel()
        self.addCleanup(manager.shutdown_kernel, now=True)
        client = manager.client()
        client.start_channels()
        self.addCleanup(client.stop_channels)
        client.wait_for_ready(timeout=60)
        return manager, client

    def execute(self, client, code):
        """The execute_result's text, or the error's name."""
        found = []

        def take(message):
            content = message["content"]
            found.extend({"execute_result": lambda: [content["data"]["text/plain"]], "error": lambda: [content["ename"]]}.get(message["msg_type"], list)())

        client.execute_interactive(code, timeout=60, output_hook=take, allow_stdin=False)
        return found[0] if found else None

    def test_restart_and_interrupt(self):
        manager, client = self.start()
        self.assertEqual(self.execute(client, "const kept = 1; kept"), "1")
        client.execute("while (true);")
        while client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=10)
        self.assertEqual(reply["content"]["ename"], "Interrupted")
        self.assertEqual(self.execute(client, "kept"), "1")
        manager.restart_kernel()
        client.wait_for_ready(timeout=60)
        self.assertEqual(self.execute(client, "kept"), "TypeScriptError")
        self.assertTrue(client.is_alive())

    def test_encrypted_when_the_client_asks_for_it(self):
        manager, client = self.start(transport_encryption="required")
        info = json.loads(Path(manager.connection_file).read_text())
        self.assertIn("curve_secretkey", info)
        self.assertEqual(self.execute(client, "6 * 7"), "42")
        self.assertTrue(client.hb_channel.is_beating())
        # Without the keys nothing is heard and nothing answered.
        context = zmq.Context()
        self.addCleanup(context.destroy, 0)
        plain = context.socket(zmq.SUB)
        plain.subscribe(b"")
        plain.connect(f"tcp://{info['ip']}:{info['iopub_port']}")
        self.assertEqual(self.execute(client, "console.log('secret'); 1"), "1")
        self.assertEqual(plain.poll(1000), 0)
        manager.restart_kernel()
        client.wait_for_ready(timeout=60)
        self.assertEqual(self.execute(client, "6 * 8"), "48")


if __name__ == "__main__":
    unittest.main()
