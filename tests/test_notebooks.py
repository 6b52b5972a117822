"""Rules that every notebook and page keeps: no stored outputs, no typed results, short cells."""

import ast
import re
import statistics
from pathlib import Path

import nbformat
import pytest

from lab import figures

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").glob("*.md"))

# A result looks like 0.31, 1.5e-3 or 40 %. What stands in maths, code, links, targets of links,
# attributes, roles (glue, citations, terms) and directive options is not prose.
RESULT = re.compile(r"\d\.\d|\d\s?%")
NOT_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\{[a-z:]+\}`[^`]*`|`[^`]*`|\$[^$]*\$|\]\([^)]*\)|<?https?://\S+|^:[a-z]+:.*?$", re.S | re.M
)


def typed_results(markdown: str) -> list[str]:
    """Paragraphs that state a result as a typed number: not computed, and not reported with its source."""
    found = []
    for paragraph in re.split(r"\n\s*\n", markdown):
        reported = re.search(r"\breport", paragraph) and "{cite" in paragraph
        if RESULT.search(NOT_PROSE.sub(" ", paragraph)) and not reported:
            found.append(paragraph)
    return found


@pytest.mark.parametrize(
    "fine",
    [
        "Take `[0.2, 0.5, 0.3]` and $p = 0.95$, or $$x = 0.5$$",
        "It is {eval}`run.share_0.5` % of them, as [here](https://x.org/2.0) says.",
        "Holtzman et al. report 73.66 % of repetition {cite:p}`holtzman2020`.",
        "Python 3, 64 tokens, 2020, and the first of 20 texts.",
        "```{code}\nx = 0.5\n```",
    ],
)
def test_the_rule_lets_pass(fine):
    assert not typed_results(fine)


@pytest.mark.parametrize(
    "result",
    [
        "The accuracy is 0.61.",
        "It is right 40 % of the time.",
        "Fine.\n\nGreedy text repeats 17%, drawn text {eval}`run.b`.",
        "They say 73.66 % {cite:p}`holtzman2020`.",
        "They report 73.66 %.",
        "| a | b |\n|---|---|\n| x | 0.5 |",
    ],
)
def test_the_rule_catches(result):
    assert typed_results(result)


def prose(notebook: nbformat.NotebookNode) -> list[str]:
    """The notebook's texts, captions and text alternatives."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in notebook.cells:
        shown = cell.metadata.get("mystnb", {})
        texts += [shown.get("figure", {}).get("caption", ""), shown.get("image", {}).get("alt", "")]
    return texts


@pytest.mark.parametrize("path", [*NOTEBOOKS, *PAGES], ids=lambda path: path.name)
def test_no_result_is_typed_by_hand(path):
    is_page = path.suffix == ".md"
    texts = [path.read_text(encoding="utf-8")] if is_page else prose(nbformat.read(path, as_version=4))
    assert [found for text in texts for found in typed_results(text)] == []


def conclusions(notebook: nbformat.NotebookNode) -> list[tuple[str, set[str]]]:
    """The conclusions on the notebook's cards, each with the decimals in it that are no numbers of the code."""
    trees = [ast.parse(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    settings = {
        str(node.value) for node in nodes if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }
    said = [ast.literal_eval(node.value) for node in nodes if isinstance(node, ast.keyword) and node.arg == "so"]
    return [(so, set(re.findall(r"\d+\.\d+", so)) - settings) for so in said]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_conclusion_types_a_result(path):
    assert [
        so for so, typed in conclusions(nbformat.read(path, as_version=4)) if typed or "%" in so.replace("} %", "")
    ] == []


def test_typed_conclusions_are_found():
    cells = ["f(so='at 0.25 it is 0.31')", "x = [0.25]", "f(so='of {n}', n=3)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    assert conclusions(notebook) == [("at 0.25 it is 0.31", {"0.31"}), ("of {n}", set())]


WITHOUT_CONCLUSIONS = {"01", "02", "03", "05", "06", "07", "08", "09"}  # chapters whose cards have none yet


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_card_has_its_conclusion(path):
    notebook = nbformat.read(path, as_version=4)
    settled = sum(cell.source.count("claims.settle(") for cell in notebook.cells if cell.cell_type == "code")
    assert settled and (len(conclusions(notebook)) == settled) != (path.name[:2] in WITHOUT_CONCLUSIONS)


def stored_outputs(notebook: nbformat.NotebookNode) -> list[int]:
    """The numbers of the cells that carry an output, an execution count or, written by JupyterLab, evaluated values."""
    carries = lambda cell: cell.get("outputs") or cell.get("execution_count") or "user_expressions" in cell.metadata
    return [number for number, cell in enumerate(notebook.cells, start=1) if carries(cell)]


def test_stored_outputs_are_found():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")])
    assert stored_outputs(notebook) == []
    notebook.cells[1].execution_count = 1
    assert stored_outputs(notebook) == [2]
    notebook.cells[0].metadata["user_expressions"] = []
    assert stored_outputs(notebook) == [1, 2]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_stored(path):
    assert stored_outputs(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_cells_are_short(path):
    """A folded cell is one step, told by its line, and may be longer than one that is read; none is long."""
    lines = {"open": [], "folded": []}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            kind = "folded" if "hide-input" in cell.metadata.get("tags", []) else "open"
            lines[kind].append(sum(bool(line.strip()) for line in cell.source.splitlines()))
    assert statistics.median(lines["open"]) < 10
    assert max(lines["open"] + lines["folded"]) <= 40


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_run_and_figure_name_the_values_and_the_figures_only(path):
    """What the prose evaluates in JupyterLab must not have become something else by then."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code" and "Values()" not in cell.source:
            names = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]
            assert not [n.id for n in names if n.id in ("run", "figure") and isinstance(n.ctx, ast.Store)], cell.source


def not_to_be_found(notebook: nbformat.NotebookNode) -> list[str]:
    """Values that the text shows by a name or a key that the code does not have as the text has it."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    shown = {each for text in prose(notebook) for each in re.findall(r"\{eval\}`run\.([^`]*)`", text)}
    found = lambda part: re.search(rf"(?<![\w.]){re.escape(part)}(?![\w.])", code)
    return sorted(each for each in shown if not all(map(found, re.findall(r'"[^"]*"|\w+', each))))


def test_values_that_cannot_be_found_are_found():
    text = '{eval}`run.a_1`, {eval}`run.a["x"]`, {eval}`run.a["z"]` and {eval}`run.a["x"][6]`'
    code = 'run.keep("d", **{f"a_{n}": 1})\nrun.keep("d", a={"x": {64: 1, 0.6: 2}})'
    figure = nbformat.v4.new_code_cell(metadata={"mystnb": {"figure": {"caption": "It is {eval}`run.b`."}}})
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(code), figure]
    assert not_to_be_found(nbformat.v4.new_notebook(cells=cells)) == ['a["x"][6]', 'a["z"]', "a_1", "b"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_value_that_is_shown_can_be_found_in_the_code(path):
    assert not_to_be_found(nbformat.read(path, as_version=4)) == []


def test_no_two_figures_have_one_name():
    cells = [cell for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    names = [cell.metadata["mystnb"]["figure"]["name"] for cell in cells if "figure" in cell.metadata.get("mystnb", {})]
    assert len(set(names)) == len(names)


def coloured_by_hand(source: str) -> list[str]:
    """Lines that pair the name of a thing that has a colour in the whole book with a colour of their own."""
    things = "|".join(re.escape(f'"{name}"') for name in figures.COLOR)
    return [line for line in source.splitlines() if re.search(rf"({things}).*figures\.[A-Z]+\b(?<!COLOR)", line)]


def test_colours_by_hand_are_found():
    assert coloured_by_hand('    "Post-LN": figures.GREEN,\n    (x, "human", figures.BLUE)')
    assert not coloured_by_hand('    color = figures.COLOR["Post-LN"]\n    label(ax, 1, 2, "other", figures.BLUE)')


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_one_thing_has_one_colour(path):
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [line for source in sources for line in coloured_by_hand(source)] == []


def test_ci_runs_just_what_the_readme_says():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"```bash\n(.*?)\n```", readme, flags=re.S)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert len(commands) == 2
    assert [line for line in script if line in commands] == commands
