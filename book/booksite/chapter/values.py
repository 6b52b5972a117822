"""The role `eval` on the site: {eval}`run.gain` is a value of the page's own run, {eval}`figure.kept` a figure's number.

In JupyterLab the kernel evaluates the same role. On the site nothing is evaluated: the value is looked up among what
`lab.values` left in the outputs, and the number is a reference to the figure named fig-kept.
"""

import re

from docutils import nodes
from myst_nb.ext.glue.roles import PasteTextRole
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

EXPRESSION = re.compile(r"(run|figure)\.(\w+)")


class Eval(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        found = EXPRESSION.fullmatch(self.text)
        if not found:
            message = f"eval shows `run.NAME`, a value, or `figure.NAME`, a figure's number, not {self.text!r}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        place, name = found.groups()
        if place == "run":
            return PasteTextRole()(
                "glue:text", self.rawtext, f"/{self.env.docname}.ipynb::{name}:s", self.lineno, self.inliner
            )
        target = "fig-" + name.replace("_", "-")
        named = {"refdomain": "std", "reftype": "numref", "reftarget": target, "refexplicit": False, "refwarn": True}
        reference = pending_xref("", nodes.inline("", target), **named)
        reference["refdoc"] = self.env.docname
        self.set_source_info(reference)
        return [reference], []


def setup(app: Sphinx) -> None:
    app.add_role("eval", Eval(), override=True)
