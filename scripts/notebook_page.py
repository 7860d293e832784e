"""Turns an executed notebook into one HTML page that needs no network: formulas become MathML, nothing is loaded.

    notebook_page.py NOTEBOOK.ipynb PAGE.html
"""

import re
import sys
from pathlib import Path

import latex2mathml.converter
import nbformat
from nbconvert import HTMLExporter

# Display formulas, inline formulas, and what must stay as it is: fenced and inline code.
PARTS = re.compile(r"(```.*?```|`[^`\n]*`)|\$\$(.+?)\$\$|(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\w)", re.S)


def formulas(markdown):
    """Replaces $...$ and $$...$$ by MathML, which browsers draw by themselves."""

    def replace(match):
        code, display, inline = match.groups()
        if code is not None:
            return code
        if display is not None:
            return "\n\n" + latex2mathml.converter.convert(display.strip(), display="block") + "\n\n"
        return latex2mathml.converter.convert(inline)

    return PARTS.sub(replace, markdown)


def page(notebook, title):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = formulas(cell.source)
    exporter = HTMLExporter(
        template_name="offline",
        extra_template_basedirs=[str(Path(__file__).parent / "template")],
    )
    body, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return body


def main(source, target):
    notebook = nbformat.read(source, as_version=4)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(notebook, source.stem), encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
