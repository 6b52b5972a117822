"""Computed values that prose names, so that no number is typed by hand.

    run = Values()
    run.keep(".2f", gain=losses[0] - losses[-1], best=losses.min())

The text then says "a gain of {eval}`run.gain`". JupyterLab evaluates that in the kernel; the site looks the value up
among the outputs of the run. Both show it in the one format that it was given where it was computed.
"""

from types import SimpleNamespace

from myst_nb import glue


class Values(SimpleNamespace):
    """The values of one chapter's run, each an attribute."""

    def keep(self, format: str, **values: float | str) -> None:
        """Keep each value under its name, to be shown in `format` (a format specification, such as ".2f").

        A number stays one: it can be computed with and compared. NumPy's and torch's scalars become plain ones.

        Raises:
            ValueError: a value is neither a number nor a string, or `format` does not fit it.
        """
        for name, value in values.items():
            value = value.item() if hasattr(value, "item") else value
            if not isinstance(value, int | float | str):
                raise ValueError(f"{name} must be a number or a string, got {value!r}")
            try:
                shown = f"{value:{format}}"
            except ValueError as error:
                raise ValueError(f"format must fit {name} = {value!r}, got {format!r}: {error}") from None
            if not isinstance(value, str):
                shown = shown.replace("-", "\N{MINUS SIGN}")
            value = (_Text if isinstance(value, str) else _Number)(value)
            value.shown = shown
            setattr(self, name, value)
            glue(name, shown, display=False)  # as text: a number would lose its closing zeros


class _Number(float):
    def __repr__(self) -> str:
        return self.shown


class _Text(str):
    def __repr__(self) -> str:
        return self.shown
