"""Formulas are set when the book is built: wherever they stand, by MathJax, once, and readable without scripts."""

import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from booksite.reader import formulas
from conftest import Book, code, opened, text

WIDE = r"\prod_{k=1}^{n} (1 + b_k)^{-1/2} = " + " + ".join(f"x_{{{i}}}" for i in range(30))
CHAPTER = rf"""# Is $1/\sqrt{{d_k}}$ right?

The factor is $1 < 2$. See {{eq}}`eq-wide`, and {{term}}`softmax`.

$$
{WIDE}
$$ (eq-wide)

$$
a &= b \\
c &= \lVert d \rVert
$$

\begin{{align*}}
e &= f
\end{{align*}}

| $W_Q$ | $x$ |
|---|---|
| a | $\bar L$ |

## Why $n^2$?

A long one: ${WIDE}$.
"""
GLOSSARY = """# Glossary

:::{glossary}
softmax
  It is $\\\\mathrm{e}^{z_i} / \\\\sum_j \\\\mathrm{e}^{z_j}$.
:::
""".replace("\\\\", "\\")
FIGURE = "import matplotlib.pyplot as plt\nfrom lab import figures\nfigures.use()\nplt.plot([1, 2]);"
SHOWN = "from IPython.display import display\ndisplay({'text/markdown': r'%s'}, raw=True)"
FOUND = ["1/\\sqrt{d_k}", "1 < 2", "W_Q", "x", "\\bar L", "n^2", "\\zeta_3", "\\beta_2", WIDE]  # as they are written


@pytest.fixture(scope="module")
def written(shared_book) -> Book:
    book = shared_book
    book.finish = ("formulas", "icons", "styles", "sharing")
    book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  numbered: 2\n  chapters:\n"
        "  - file: notebooks/small\n- caption: B\n  chapters:\n  - file: book/verdicts\n  - file: book/glossary\n",
    )
    book.write("book/index.md", "# A small book\n\n:::{questions} A\n:::\n\n```{bibliography}\n```\n")
    answer = ":::{question} ../notebooks/small.ipynb\nIt is $\\omega$.\n:::"
    book.write("book/verdicts.md", f"# Verdicts\n\n{{cite:p}}`holtzman2020curious`\n\n{answer}\n")
    book.write("book/glossary.md", GLOSSARY)
    book.notebook(
        "small", text(CHAPTER), SHOWN % "Shown by a cell: $\\zeta_3$", code(FIGURE, "fig-one", caption=r"By $\beta_2$.")
    )
    book.built()
    return book


def soup(book: Book, page: str) -> BeautifulSoup:
    return BeautifulSoup(book.page(page), "html.parser")


def test_formulas_are_set_wherever_they_stand(written):
    for page in ("book/index", "book/verdicts", "book/glossary", "notebooks/small"):
        every = soup(written, page)
        for formula in every.select(".math"):
            assert formula.select_one("mjx-math[aria-hidden=true]") and formula.select_one("mjx-assistive-mml > math")
            assert not formula.select_one("merror")
        for element in every.select("script, pre, .math"):
            element.decompose()
        assert "\\" not in every.text and "$" not in every.text, page
    page = soup(written, "notebooks/small")
    tex = [formula["data-tex"] for formula in page.select("article .math")]
    assert set(FOUND) <= set(tex)
    for place in ("h1", "h2", "th", "td", "figcaption", ".definition"):
        assert page.select_one(f"article {place} .math mjx-math"), place
    assert page.select_one(".bd-sidebar-secondary .math mjx-math") and page.select_one(".bd-toc-item .math mjx-math")
    assert soup(written, "book/index").select_one(".question .math mjx-math")


def test_titles_outside_the_page_have_formulas_as_plain_text(written):
    page, front = soup(written, "notebooks/small"), soup(written, "book/index")
    assert page.title.text.startswith("1. Is 1/√d_k right?")
    assert page.select_one('meta[property="og:title"]')["content"] == "Is 1/√d_k right?"
    assert "Is 1/√d_k right?" in page.select_one(".cite p").text
    assert front.select_one(".question-title a").text == "1. Is 1/√d_k right?"


def test_a_display_formula_has_its_number_and_can_be_referred_to(written):
    page = soup(written, "notebooks/small")
    number = page.select_one("div.math#equation-eq-wide .eqno")
    assert number.text.startswith("(1.1)")
    assert page.select_one('p a[href="#equation-eq-wide"]').text == "(1.1)"
    assert len(page.select("div.math")) == 3 and len(page.select("div.math mjx-mtr")) == 3  # a split of two, an align


def test_every_character_of_a_formula_is_in_the_fonts(written):
    folder = written.root / "_build" / "html" / "_static"
    tables = {file.name: TTFont(file)["cmap"].tables for file in (folder / "mathjax").glob("*.woff")}
    held = {name: set().union(*(table.cmap for table in tables)) for name, tables in tables.items()}
    assert held.keys() >= {"MathJax_Main-Regular.woff", "MathJax_Math-Italic.woff", "MathJax_Size1-Regular.woff"}
    assert {ord(character) for character in "0123456789()=<√∥"} <= held["MathJax_Main-Regular.woff"]
    assert {ord(character) for character in "dkxωβζ"} <= held["MathJax_Math-Italic.woff"]
    assert 0x220F in held["MathJax_Size1-Regular.woff"]  # ∏
    assert all(held.values()) and sum(map(len, held.values())) < 200


@pytest.mark.parametrize("scripts", [True, False])
def test_formulas_show_from_a_folder_with_scripts_and_without(written, browser, scripts):
    address = (written.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address, width=375, java_script_enabled=scripts) as tab:
        for formula in tab.locator("article :is(h1, p, th, td, figcaption) .math mjx-math:visible").all():
            box = formula.bounding_box()
            assert box["width"] > 4 and box["height"] > 4
        if scripts:
            loaded = tab.evaluate("document.fonts.ready.then((fonts) => [...fonts].map((f) => [f.family, f.status]))")
            assert {"MJXTEX", "MJXTEX-I"} <= {family for family, status in loaded if status == "loaded"}
            assert "error" not in {status for _, status in loaded}


def test_a_formula_is_as_large_as_its_text(written, browser):
    """The x of MathJax's font is as high as that of the text, also in a small table and in a heading."""
    address = (written.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address) as tab:
        sizes = tab.evaluate(
            """[...document.querySelectorAll("article .math > mjx-container")].filter((e) => e.checkVisibility()).map((e) => {
                const x = document.createElement("span");
                x.style.cssText = "display: inline-block; height: 100ex";
                e.parentElement.append(x);
                const height = x.offsetHeight / 100;
                x.remove();
                return parseFloat(getComputedStyle(e).fontSize) * 0.442 / height;
            })"""
        )
    assert len(sizes) > 8 and all(0.97 < size < 1.03 for size in sizes)


def test_a_formula_that_is_too_wide_scrolls_and_says_so(written, browser):
    address = (written.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address, width=375) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        wide = tab.locator("mjx-container.goes-on")
        wide.first.wait_for()
        assert wide.count() == 2  # the displayed one, and the same in a line
        for box in wide.all():
            assert box.get_attribute("tabindex") == "0" and "gradient" in box.evaluate(
                "e => getComputedStyle(e).maskImage"
            )
        for left in (1, 0):
            wide.first.evaluate("box => { box.scrollLeft = box.scrollWidth }")  # its end is shown, and nothing goes on
            tab.wait_for_function("left => document.querySelectorAll('.goes-on').length === left", arg=left)
    with opened(browser, address, width=1280) as tab:
        assert tab.locator("article td mjx-container[tabindex], article h1 mjx-container[tabindex]").count() == 0


def test_a_formula_is_copied_as_tex(written, browser):
    address = (written.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address) as tab:
        copied = tab.evaluate(
            """() => {
                let data;
                addEventListener("copy", (event) => (data = event.clipboardData.getData("text/plain")));
                const found = {};
                const copy = (name, start, end) => {
                    getSelection().setBaseAndExtent(start, 0, end, end.childNodes.length);
                    document.execCommand("copy");
                    found[name] = data;
                };
                const title = document.querySelector("article h1"), formula = title.querySelector("mjx-math mjx-c");
                const line = [...document.querySelectorAll("article p")].find((p) => p.textContent.startsWith("The factor"));
                copy("whole", title, line);
                copy("part", formula, formula);
                return found;
            }"""
        )
    assert "Is $1/\\sqrt{d_k}$ right?" in copied["whole"] and "\nThe factor is $1 < 2$. See (1.1)" in copied["whole"]
    assert copied["part"] == "$1/\\sqrt{d_k}$"


@pytest.mark.parametrize(
    ("tex", "why"),
    [
        (r"\sqroot{2}", r"Undefined control sequence \sqroot"),
        (r"\frac{1}{2", "Missing close brace"),
        (r"\eqref{eq-wide}", "use the role eq instead"),
        (r"\newcommand{\half}{1/2} \half", r"Undefined control sequence \newcommand"),
    ],
)
@pytest.mark.parametrize("by_a_cell", [False, True])
def test_a_formula_that_does_not_parse_stops_a_strict_build(book, tex, why, by_a_cell):
    shown = f"So ${tex}$."
    book.notebook("small", "from lab import claims", SHOWN % shown if by_a_cell else text(shown))
    status, said = book.build()
    assert status != 0 and "small.ipynb" in said
    assert f"the formula {tex} does not parse: " in said and why in said


def test_what_is_kept_is_not_set_again(tmp_path, monkeypatch):
    class App:
        doctreedir = tmp_path / ".doctrees"

    labelled = [(rf"\begin{{align}}{x}\label{{a}}\end{{align}}", True) for x in "yz"]
    assert formulas.typeset(App, labelled) == {}  # none knows another's label
    assert formulas.typeset(App, [("x", False), ("x", True), ("x", False)]) == {}
    assert len(list((tmp_path / ".formulas").glob("*.html"))) == 4
    monkeypatch.setattr(formulas.subprocess, "run", None)
    assert formulas.typeset(App, [("x", True)]) == {}
    monkeypatch.setattr(formulas, "made_with", lambda: ["another MathJax"])
    with pytest.raises(TypeError):
        formulas.typeset(App, [("x", True)])


def test_formulas_as_plain_text():
    assert formulas.plain(r"1/\sqrt{d_k}") == "1/√d_k"
    assert formulas.plain(r"\text{softmax}_j") == "softmax_j"
    assert formulas.plain(r"\frac{a}{b}") == "…"
