"""Computed values that prose names, so that no number is typed by hand.

    run = Values()
    run.keep(".2f", gain=losses[0] - losses[-1], best=losses.min())
    run.keep("+.2f", slope={"Pre-LN": {6: slope}})

The text then says "a gain of {eval}`run.gain`", or {eval}`run.slope["Pre-LN"][6]`. JupyterLab evaluates that in the
kernel; the site looks the value up among the outputs of the run, where it has that very name. Both show it in the one
format that it was given where it was computed.
"""

from types import SimpleNamespace

from myst_nb import glue


class Values(SimpleNamespace):
    """The values of one chapter's run, each an attribute: a value, or a table (a dict) of values and tables."""

    def keep(self, format: str, **values: float | str | dict) -> None:
        """Keep each value under its name, to be shown in `format` (a format specification, such as ".2f").

        A number stays one: it can be computed with and compared. NumPy's and torch's scalars become plain ones. What a
        table is given is added to what it has.

        Raises:
            ValueError: a value is no number, string or table of such, `format` does not fit it, a key is neither a
                string nor an int, or a name is that of a value and of a table.
        """
        for name, value in values.items():
            setattr(self, name, _kept(format, name, value, vars(self).get(name)))


def _kept(format: str, name: str, value: float | str | dict, before: float | str | dict | None) -> float | str | dict:
    """`value` as it is kept under a name in which there was `before`."""
    if before is not None and isinstance(before, dict) != isinstance(value, dict):
        now, then = ("a table", "a value") if isinstance(value, dict) else ("a value", "a table")
        raise ValueError(f"{name} is {then} already and must not be {now}, got {value!r}")
    if isinstance(value, dict):
        table = {} if before is None else before
        for key, each in value.items():
            if type(key) not in (str, int):
                raise ValueError(f"{name} must have strings and ints as keys, got {key!r}")
            entry = f'{name}["{key}"]' if isinstance(key, str) else f"{name}[{key}]"
            table[key] = _kept(format, entry, each, table.get(key))
        return table
    if hasattr(value, "item") and len(value.reshape(-1)) == 1:
        value = value.item()
    if not isinstance(value, int | float | str):
        raise ValueError(f"{name} must be a number, a string or a table of such, got {value!r}")
    try:
        shown = f"{value:{format}}"
    except ValueError as error:
        raise ValueError(f"format must fit {name} = {value!r}, got {format!r}: {error}") from None
    if not isinstance(value, str):
        shown = shown.replace("-", "\N{MINUS SIGN}")
    kept = (_Text if isinstance(value, str) else _Number)(value)
    kept.shown = shown
    glue(name, shown, display=False)  # as text: a number would lose its closing zeros
    return kept


class _Number(float):
    def __repr__(self) -> str:
        return self.shown


class _Text(str):
    def __repr__(self) -> str:
        return self.shown
