"""The role `eval` on the site: {eval}`run.gain` is a value of the page's own run, {eval}`figure.kept` a figure's number.

In JupyterLab the kernel evaluates the same role. On the site nothing is evaluated: the value is looked up among what
`lab.values` left in the outputs, an entry of a table by its whole name, as in {eval}`run.slope["Pre-LN"][6]`. The
number is a reference to the figure named fig-kept.
"""

import re

from docutils import nodes
from myst_nb.ext.glue.roles import PasteTextRole
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

EXPRESSION = re.compile(r"""run\.(?P<value>\w+(\["[^"]*"\]|\[-?\d+\])*)|figure\.(?P<figure>\w+)""")


class Eval(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        found = EXPRESSION.fullmatch(self.text)
        if not found:
            forms = 'a value, `run.NAME`, `run.NAME["KEY"]` or `run.NAME[1]`, or a figure\'s number, `figure.NAME`'
            message = f"eval shows {forms}, not {self.text!r}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        if found["value"]:
            glued = f"/{self.env.docname}.ipynb::{found['value']}:s"  # the name is all between :: and the last :
            return PasteTextRole()("glue:text", self.rawtext, glued, self.lineno, self.inliner)
        target = "fig-" + found["figure"].replace("_", "-")
        named = {"refdomain": "std", "reftype": "numref", "reftarget": target, "refexplicit": False, "refwarn": True}
        reference = pending_xref("", nodes.inline("", target), **named)
        reference["refdoc"] = self.env.docname
        self.set_source_info(reference)
        return [reference], []


def setup(app: Sphinx) -> None:
    app.add_role("eval", Eval(), override=True)
