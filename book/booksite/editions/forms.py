"""The form of the book is a website, whose pages can be printed. What else jupyter-book offers is refused in a line.

Its other builders know neither cards nor explorers, and one of them writes over the site. Sphinx itself, when
translate.py calls it, is asked for catalogues too, and is not stopped.
"""

import click

BUILDERS = ("html", "linkcheck")


def refuse_others() -> None:
    """End jupyter-book where it is called for another form, before anything is fetched, run or written.

    Raises:
        SystemExit: of another kind, jupyter-book makes a page of traceback.
    """
    command = click.get_current_context(silent=True)
    asked = command.params if command else {}
    builder = (asked.get("custom_builder") if asked.get("builder") == "custom" else None) or asked.get("builder")
    if builder not in (None, *BUILDERS):
        raise SystemExit(
            f"ERROR: this book is made as a website only, not by the builder {builder}; "
            "build it without --builder, and print its pages, also as PDF, from a browser"
        )
