"""One script for all pages: what extensions and the book bring in ten, and every page loads.

The theme's own scripts, which stand in a folder of theirs, and those of single pages stay by themselves.
"""

import hashlib
import re
from pathlib import Path

from sphinx.application import Sphinx

from booksite.reader.styles import order, pages

JOINED = "site.js"
SCRIPT = re.compile(r'<script defer="defer" src="([^"]*?_static/)([^"?/]+\.js)[^"]*"></script>\s*')


def join(app: Sphinx, failure: Exception | None) -> None:
    """Write the script, and have all pages load it in place of its parts, which remain in _static."""
    if failure or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    html = {page: page.read_text(encoding="utf-8") for page in pages(outdir)}
    loaded = [names for text in html.values() if (names := [name for _, name in SCRIPT.findall(text)])]
    everywhere = set(loaded[0]).intersection(*loaded) if loaded else set()
    names = [name for name in order(loaded) if name in everywhere]
    if not names:
        return
    folder = outdir / "_static"
    script = "\n;\n".join((folder / name).read_text(encoding="utf-8") for name in names)
    (folder / JOINED).write_text(f"/* {' '.join(names)} */\n{script}", encoding="utf-8")
    mark = hashlib.sha256(script.encode()).hexdigest()[:8]  # else a browser would run its copy of an older one
    for page, text in html.items():
        found = [each for each in SCRIPT.finditer(text) if each[2] in everywhere]
        for each in reversed(found):
            one = f'<script defer="defer" src="{each[1]}{JOINED}?v={mark}"></script>\n' if each is found[0] else ""
            text = text[: each.start()] + one + text[each.end() :]
        page.write_text(text, encoding="utf-8")
