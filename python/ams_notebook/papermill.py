"""Parameters for TypeScript notebooks: `papermill in.ipynb out.ipynb -p epochs 5` writes a cell with `let epochs = 5;`.

papermill loads this through the entry point `papermill.engine`; loading it registers the language.
"""

import json
import math
import re

from papermill.engines import NBClientEngine as Engine  # the entry point's own object: papermill's usual engine
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

__all__ = ["Engine", "TypeScriptTranslator"]

DECLARATION = re.compile(
    r"""^\s*(?:export\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)
        \s*(?::\s*(?P<type>[^=]+?))?
        \s*=\s*(?P<value>.*?)\s*;?\s*
        (?://\s*(?P<help>.*))?$""",
    re.VERBOSE,
)


class TypeScriptTranslator(Translator):
    """Values of JSON and YAML as TypeScript."""

    @classmethod
    def translate_str(cls, val):
        return json.dumps(val, ensure_ascii=False)

    @classmethod
    def translate_none(cls, val):
        return "null"

    @classmethod
    def translate_int(cls, val):
        # A number would silently be another one.
        return f"{val}n" if abs(val) > 2**53 - 1 else str(val)

    @classmethod
    def translate_float(cls, val):
        if math.isnan(val):
            return "NaN"
        if math.isinf(val):
            return "Infinity" if val > 0 else "-Infinity"
        return repr(val)

    @classmethod
    def translate_list(cls, val):
        return f"[{', '.join(cls.translate(entry) for entry in val)}]"

    @classmethod
    def translate_dict(cls, val):
        entries = (f"{json.dumps(str(key), ensure_ascii=False)}: {cls.translate(entry)}" for key, entry in val.items())
        return f"{{ {', '.join(entries)} }}"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}".strip()

    @classmethod
    def assign(cls, name, str_val):
        # Declared again: the kernel lets a later cell do that, also with another type.
        return f"let {name} = {str_val};"

    @classmethod
    def inspect(cls, parameters_cell):
        """The declarations of the cell tagged `parameters`, for `papermill --help-notebook`."""
        found = (DECLARATION.match(line) for line in parameters_cell["source"].splitlines())
        return [
            Parameter(
                name=match["name"],
                inferred_type_name=(match["type"] or "None").strip(),
                default=match["value"],
                help=(match["help"] or "").strip(),
            )
            for match in found
            if match
        ]


papermill_translators.register("typescript", TypeScriptTranslator)
