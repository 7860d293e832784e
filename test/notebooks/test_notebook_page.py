"""The page of an executed notebook: formulas are MathML, code stays code, and nothing is loaded from the network."""

import re
import unittest

import nbformat.v4 as v4
from notebook_page import formulas, page


class NotebookPage(unittest.TestCase):
    def test_inline_and_display_formulas_become_mathml(self):
        text = formulas("A weight $s_k$ and\n$$S = \\sum_k s_k S_k$$")
        self.assertEqual(text.count("<math "), 2)
        self.assertIn('display="block"', text)
        self.assertNotIn("$", text)

    def test_prices_and_code_are_no_formulas(self):
        for text in ["from $5 to $6", "`$x$` is code", "```\n$HOME $USER\n```"]:
            self.assertEqual(formulas(text), text)

    def test_page_loads_nothing(self):
        cell = v4.new_code_cell("1 + 1", outputs=[v4.new_output("execute_result", {"text/plain": "2"})])
        notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Title\n\n$x_1$"), cell])
        html = page(notebook, "tour")
        self.assertIn("<title>tour</title>", html)
        self.assertIn("<math ", html)
        self.assertEqual(re.findall(r"""(?:src|href)=["']?https?:[^"'> ]*|import .*from ["']http.*|url\(["']?http[^)]*""", html), [])


if __name__ == "__main__":
    unittest.main()
