"""One style for every figure: small enough for a phone, colour-blind-safe, labels on the lines.

A figure's caption, name and alternative text stand in its cell's metadata, where the site takes them from. For
who runs a chapter by hand, `use` shows the caption and its number below the figure too.
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from IPython import get_ipython
from IPython.display import Markdown, display
from matplotlib_inline.backend_inline import set_matplotlib_formats

from lab import contents
from lab.palette import LIGHT

BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = LIGHT.values()  # the site turns their lightness round in dark mode

# One thing has one colour and one name in the whole book.
COLOR = {
    "argmax": ORANGE,
    "greedy": ORANGE,
    "drawn": BLUE,
    "nucleus": PURPLE,
    "human": GREEN,
    "beam": BROWN,
    "Post-LN": ORANGE,
    "Pre-LN": BLUE,
    "Pre-LN, factor": GREEN,
    "DLCL": PURPLE,
}

EVAL = re.compile(r"\{eval\}`([^`]+)`")  # a value in a caption
WIDTH = 4.6  # inches: a phone shows this at three quarters of its size


def use(chapter: str | None = None) -> "Numbers":
    """Set matplotlib up for the book's figures: SVG, and the book's fonts and lines.

    Args:
        chapter: the notebook's name without its ending. Where its cells are run by hand, captions are shown.

    Returns the numbers of its figures: `figure.kept` is "Figure 2.3" where a cell's figure is named fig-kept.
    """
    set_matplotlib_formats("svg")
    plt.rcdefaults()  # whatever the reader has set matplotlib to
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.1),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.formatter.min_exponent": 6,  # 0.001 rather than a power: an exponent is too small for a phone
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY]),
            "lines.linewidth": 1.8,
            "svg.fonttype": "none",  # text stays text: small files, whose words can be translated
            # laid out by the first; the other is as wide
            "font.sans-serif": ["DejaVu Sans", "Verdana"],
            "svg.hashsalt": "book",  # the same figure gives the same file
        }
    )
    numbers = Numbers(chapter)
    if shell := get_ipython():
        for each in list(shell.events.callbacks["post_run_cell"]):
            if isinstance(getattr(each, "__self__", None), Numbers):  # of an earlier call
                shell.events.unregister("post_run_cell", each)
        shell.events.register("post_run_cell", numbers.show_caption)
    return numbers


class Numbers:
    """The captions and numbers of a chapter's figures, counted in the order of its cells."""

    def __init__(self, chapter: str | None):
        self._captions = {}  # by the cell's id
        if chapter is None:
            return
        first, path = contents.number(chapter), Path(__file__).parent.parent / f"{chapter}.ipynb"
        for cell in nbformat.read(path, as_version=4).cells:
            figure = cell.metadata.get("mystnb", {}).get("figure")
            if figure:
                number = _Number(f"Figure {first}.{len(self._captions) + 1}")
                self._captions[cell.id] = f"**{number}.** {figure['caption']}"
                setattr(self, figure["name"].removeprefix("fig-").replace("-", "_"), number)

    def show_caption(self, result) -> None:
        """After a cell has run: JupyterLab says which cell it was, the build of the site does not."""
        caption = self._captions.get(result.info.cell_id)
        if caption and result.success:
            values = get_ipython().user_ns
            display(Markdown(EVAL.sub(lambda found: repr(eval(found[1], values)), caption)))


class _Number(str):
    __repr__ = str.__str__


def label(ax, x: float, y: float, text: str, color: str, **options) -> None:
    """Write `text` beside the data point (x, y), in the colour of what it names."""
    options = {"xytext": (5, 0), "textcoords": "offset points", "va": "center"} | options
    ax.annotate(text, (x, y), color=color, annotation_clip=False, **options)


def strip(ax, row: float, values, color: str) -> None:
    """Draw each of `values` (one a run) as a dot on the horizontal line `row`, their mean as a tick."""
    values = np.asarray(values, dtype=float)
    if values.size == 0:
        raise ValueError(f"values must hold at least one number, got {values!r}")
    jitter = np.random.default_rng(0).uniform(-0.18, 0.18, values.size)
    ax.plot(values, row + jitter, "o", color=color, alpha=0.45, markersize=5, markeredgewidth=0)
    ax.plot([values.mean()] * 2, [row - 0.32, row + 0.32], color=color, linewidth=2.5)
