"""Explorers: figures that a reader moves, made of data that the notebook computed in this run.

    explorers.show("dial", {"contexts": contexts}, still=fig, alt="Bar chart of …")

An explorer is one HTML output, the same on the site and in JupyterLab: the still figure, which stays where no script
runs, the data, and its script. The script is the file NAME.js beside this one, which gives

    mount(root, data, kit)  // fills the element `root`; `kit` is what base.js gives

A script says its words by kit.say("{n} others", { n }), so that a page in another language can give it a table of them;
in its data, a string under the key "name" is words for the reader, and no key of anything. No request is made to anyone.
"""

import base64
import html
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
from IPython.display import display

from lab import checks
from lab.palette import DARK, LIGHT, variables

MIME = "application/vnd.explorer+json"  # of the record that stands in a cell's output
FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != "base")

TEMPLATE = """\
<div class="explorer" data-explorer="{name}"><style>{style}</style>
<div class="explorer-still">{still}</div>
<script type="application/json">{data}</script>
<script type="module">{base}
kit.words = {words};
{script}
start("{name}", mount);
</script></div>"""
THEMES = f"""\
.explorer {{ {variables(LIGHT)} }}
html[data-theme="dark"] .explorer, body[data-jp-theme-light="false"] .explorer {{ {variables(DARK)} }}
"""


def show(name: str, data: dict, still: plt.Figure, alt: str) -> None:
    """Show the explorer `name`.

    Args:
        name: one of the scripts beside this module.
        data: what JSON can hold; every digit of a number goes into the page, so round them.
        still: the figure in its place where no script runs. It is closed.
        alt: what the still figure shows, in words.

    Raises:
        ValueError: no such explorer, an empty `alt`, or data that JSON cannot hold (NaN and infinities among it).
    """
    checks.choice(name, "name", *NAMES)
    if not alt.strip():
        raise ValueError(f"alt must say what the figure shows, got {alt!r}")
    try:
        text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"data must be what JSON can hold: {error}") from error
    picture = io.StringIO()
    still.savefig(picture, format="svg", metadata={"Date": None})
    plt.close(still)
    record = {"name": name, "data": text, "alt": alt, "still": picture.getvalue()}
    plain = f"[a figure to move: {name}, on the site and in JupyterLab] {alt}"
    display({MIME: record, "text/html": page(record, inline(record["still"])), "text/plain": plain}, raw=True)


def page(record: dict, still: str, words: dict[str, str] | None = None) -> str:
    """An explorer as HTML, from its record; `still` is the address of its still figure.

    `words` has its script's words in another language than English, by the English ones.
    """
    return TEMPLATE.format(
        name=record["name"],
        still=picture(record, still),
        data=record["data"].replace("<", "\\u003c"),  # so that no string can end the script element
        words=json.dumps(words or {}, ensure_ascii=False).replace("<", "\\u003c"),
        style=THEMES + (FOLDER / "base.css").read_text(encoding="utf-8"),
        base=(FOLDER / "base.js").read_text(encoding="utf-8"),
        script=(FOLDER / f"{record['name']}.js").read_text(encoding="utf-8"),
    )


def picture(record: dict, still: str) -> str:
    """An explorer's still figure alone, as HTML."""
    return f'<img alt="{html.escape(record["alt"])}" src="{still}">'


def inline(svg: str) -> str:
    """A picture as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
