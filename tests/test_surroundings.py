"""What a person has set up for themselves changes no result: for matplotlib, IPython, Jupyter, Python, the locale."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat

from booksite.running import surroundings
from conftest import PLOT, ROOT, SETTLE, Book, code
from lab import figures

# Says whose surroundings it ran in
WHOSE = """\
import builtins, locale, sys, warnings
print(sys.executable, hasattr(builtins, "PERSONAL"), sys.flags.optimize, sys.flags.dev_mode, sys.flags.utf8_mode)
print(len(warnings.filters), __import__("matplotlib").rcParams["axes.facecolor"])"""
PLAIN_PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"  # in no style of the book's


def results(book: Book, where: Path, monkeypatch) -> tuple[str, list]:
    """The fingerprint under which a build keeps what the notebook gave, and what it gave."""
    monkeypatch.setenv("BOOK_RESULTS", str(where))
    book.kernels = True
    book.built("--all")
    (path,) = where.glob("*/executed/*/base.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return path.parents[2].name, [cell.outputs for cell in cells if cell.cell_type == "code"]


def personal(folder: Path) -> dict[str, str]:
    """A person's configuration, in files, and the environment variables that name them."""
    mine = "import builtins\nbuiltins.PERSONAL = True\n"
    (folder / "startup.py").write_text(mine)
    profile = folder / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    (profile / "startup" / "00-mine.py").write_text(mine)
    (profile / "ipython_kernel_config.py").write_text("c.InlineBackend.figure_formats = {'png'}\n")
    for style in (folder / "matplotlibrc", folder / "config" / "matplotlib" / "matplotlibrc"):
        style.parent.mkdir(parents=True, exist_ok=True)
        style.write_text("axes.facecolor: red\nlines.linewidth: 9\n")
    kernel = folder / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    return {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PATH": str(folder / "jupyter"),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
        "MPLBACKEND": "Agg",
        "PYTHONDEVMODE": "1",
        "PYTHONOPTIMIZE": "1",
        "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONWARNINGS": "always",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_DATA_HOME": str(folder),  # has a python3 of its own, as in "jupyter"
    }


def test_results_are_the_same_under_a_persons_own_configuration(book, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # the date that matplotlib writes into a figure
    book.notebook("small", SETTLE, WHOSE, code(PLAIN_PLOT, "fig-plain"), code(PLOT % 2, "fig-line"))
    before = results(book, tmp_path / "before", monkeypatch)
    for name, value in personal(tmp_path).items():
        monkeypatch.setenv(name, value)
    after = results(book, tmp_path / "after", monkeypatch)
    assert after == before
    shown = [mime for cell in after[1] for output in cell for mime in output.get("data", {})]
    assert shown.count("image/png") == shown.count("image/svg+xml") == 1


def test_what_is_personal_goes_and_what_says_where_things_lie_stays(tmp_path):
    ours = {"PATH": "/bin", "PYTHONPATH": "/packages", "OMP_NUM_THREADS": "2", "HF_HOME": "/models"}
    found = ours | {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "3", "TQDM_NCOLS": "9", "JUPYTER_CONFIG_PATH": "/mine"}
    surroundings.isolate(tmp_path, found)
    assert ours.items() <= found.items()
    assert not {"MPLBACKEND", "PYTHONHASHSEED", "TQDM_NCOLS", "JUPYTER_CONFIG_PATH"} & found.keys()
    again = dict(found)
    surroundings.isolate(tmp_path, again)
    assert again == found


def test_figures_begin_from_matplotlibs_own_style():
    with plt.rc_context():
        figures.use()
        expected = dict(plt.rcParams)
        plt.rcParams.update({"axes.facecolor": "red", "axes.grid": True, "font.size": 3})
        figures.use()
        assert dict(plt.rcParams) == expected


def in_the_locale(source: str) -> Iterator[str]:
    """The calls that read or write text in whatever encoding the locale names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called, named = ast.unparse(node.func).rpartition(".")[2], {each.arg for each in node.keywords}
            modes = [each.value for each in node.args if isinstance(each, ast.Constant)]
            text = called == "open" and not any("b" in str(mode) for mode in modes) and "Image" not in ast.unparse(node)
            said = called in ("run", "Popen", "check_output") and {"text", "universal_newlines"} & named
            if "encoding" not in named and (called in ("read_text", "write_text") or text or said):
                yield ast.unparse(node)


def test_text_is_read_and_written_in_utf8_whatever_the_locale():
    found = {}
    for folder in ("book", "notebooks/lab"):
        for path in (ROOT / folder).rglob("*.py"):
            found[path.name] = list(in_the_locale(path.read_text(encoding="utf-8")))
    assert len(found) > 30 and {name: calls for name, calls in found.items() if calls} == {}


def test_what_hangs_on_the_locale_is_found():
    source = 'a.read_text(); open(b); c.open("rb"); run(d, text=True); e.write_text("é", encoding="utf-8")'
    assert list(in_the_locale(source)) == ["a.read_text()", "open(b)", "run(d, text=True)"]
