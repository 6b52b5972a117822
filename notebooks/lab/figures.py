"""One style for every figure: small enough for a phone, colour-blind-safe, labels on the lines."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib_inline.backend_inline import set_matplotlib_formats

# Okabe and Ito's colours, told apart with any colour vision; the site inverts their lightness in dark mode
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#767676"

WIDTH = 4.6  # inches: a phone shows this at three quarters of its size


def use() -> None:
    """Set matplotlib up for the book's figures: SVG, and the book's fonts and lines."""
    set_matplotlib_formats("svg")
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.1),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, PURPLE, GREY]),
            "lines.linewidth": 1.8,
            "svg.hashsalt": "book",  # the same figure gives the same file
        }
    )


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
