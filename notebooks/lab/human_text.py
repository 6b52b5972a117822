"""English that people wrote and that needs no download: the prose of Python's own documentation."""

import re
from pydoc_data import topics

MARKUP = re.compile(r"[|=>{}\[\]_\\]|::|\(\)|(Added|Changed|New|Deprecated) in")


def paragraphs() -> list[str]:
    """Paragraphs of plain prose, without code or markup; they differ a little between versions of Python."""
    text = "\n\n".join(topics.topics[name] for name in sorted(topics.topics))
    found = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    plain = [re.sub(r"[*`\"]", "", p) for p in found if not MARKUP.search(p)]
    return list(dict.fromkeys(p for p in plain if p[:1].isupper() and p.endswith(".")))  # each once
