"""jupyter_kernel_test, the conformance tests of the Jupyter project, on the kernel: all of them, none skipped."""

import unittest

import jupyter_kernel_test

RICH = "({ [Symbol.for('Jupyter.display')]: () => ({ '%s': %s }) })"


class Kernel(jupyter_kernel_test.KernelTests):
    kernel_name = "ams"
    language_name = "typescript"
    file_extension = ".ts"

    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('to stderr')"
    completion_samples = [
        {"text": "'text'.toUpp", "matches": {"toUpperCase"}},
        {"text": "Math.trun", "matches": {"trunc"}},
        {"text": "%who", "matches": {"%who"}},
    ]
    complete_code_samples = ["1", "console.log('hello')", "function f(n: number) {\n  return n;\n}", "%lsmagic"]
    incomplete_code_samples = ["function f() {", "const a = [", "console.log(`", "/* open"]
    invalid_code_samples = ["let = = 3", "const a = ;", ")"]
    code_page_something = "parseInt?"
    code_generate_error = "throw new RangeError('too far')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "[1, 2].map((n) => n * 2)", "result": "[ 2, 4 ]"},
        {"code": RICH % ("text/html", "'<b>x</b>'"), "result": "<b>x</b>", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": "display.html('<b>x</b>')", "mime": "text/html"},
        {"code": "display.svg('<svg/>')", "mime": "image/svg+xml"},
        {"code": "display.png(Buffer.from('iVBORw0KGgo=', 'base64'))", "mime": "image/png"},
        {"code": "display.json({ a: 1 })", "mime": "application/json"},
        {"code": "display.latex('$x$')", "mime": "text/latex"},
    ]
    code_history_pattern = "6 [*]*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "parseInt"
    code_clear_output = "display.clear()"

    def test_nothing_is_skipped(self):
        """Every test of the package has what it needs: a new version of it may ask for more."""
        needed = [name for name in dir(jupyter_kernel_test.KernelTests) if name.startswith(("code_", "completion_", "supported_"))]
        needed += [name for name in dir(jupyter_kernel_test.KernelTests) if name.endswith("_code_samples")]
        self.assertGreater(len(needed), 10)
        for name in needed:
            self.assertTrue(getattr(self, name), name)


class IopubWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "ams"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main()
