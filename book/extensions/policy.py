"""A content security policy on every page: a browser runs and loads what was built here, and nothing else.

It is a <meta> element, since the site's host sends no headers of ours, and is put in when all pages are written: scripts
inside a page are allowed by their hashes. It forbids handlers in the markup, so the theme's one is taken out (its work is
done by policy.js).
"""

import base64
import hashlib
import re
from pathlib import Path

from sphinx.application import Sphinx

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",  # and the hashes
    "style-src": "'self' 'unsafe-inline'",  # MathJax, explorers and claims write styles
    "img-src": "'self' data:",  # the theme's style sheets hold small pictures
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
}

SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.S)
META = re.compile(r'\s*<meta http-equiv="Content-Security-Policy"[^>]*>')
HANDLER = ' onclick="window.print()"'


def hashes(page: str) -> list[str]:
    """The sources that allow the scripts inside a page; data in script elements needs none."""
    run = {
        text
        for attributes, text in SCRIPT.findall(page)
        if " src=" not in attributes and not re.search(r'type="(?!module|text/javascript)', attributes)
    }
    return sorted(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run)


def guarded(page: str) -> str:
    """The page with its policy right behind the declaration of its encoding."""
    page = META.sub("", page).replace(HANDLER, "")
    sources = POLICY | {"script-src": " ".join([POLICY["script-src"], *hashes(page)])}
    policy = "; ".join(f"{kind} {value}" for kind, value in sources.items())
    return re.sub(
        r"<meta charset=[^>]*>",
        lambda charset: f'{charset[0]}\n    <meta http-equiv="Content-Security-Policy" content="{policy}">',
        page,
        count=1,
    )


def guard(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.format != "html":
        return
    for file in Path(app.outdir).rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        if "<html" in page:  # the theme leaves its macros among the static files
            file.write_text(guarded(page), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.add_js_file("policy.js")
    app.connect("build-finished", guard, priority=999)  # after those that write pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
