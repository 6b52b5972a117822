"""A page on paper and how it is set, and the forms in which the book comes and in which not."""

import codecs
import re

import pytest
from bs4 import BeautifulSoup
from docutils import nodes
from jupyter_book.cli.main import BUILDER_OPTS
from pybtex.database import parse_string

from booksite.chapter import citation, unbroken
from booksite.editions import forms
from conftest import ALT, PLOT, Book, code, opened, text

TITLE = "NLP, Settled by Running"  # of the book, and of its front page
LONG = "Words.\n\n" * 300  # many screens
CHAPTER = """\
# Why 1/√N, and is it the 1/√d_k of all attention heads there are?

A bracket ($x$), a comma after $\\sqrt{d_k}$, the $k$-th of $n$: *and* 0.02/√24.

"""
EXERCISE = """\
:::{exercise} Two
:label: ex-two
What is it?
:::

:::{solution} ex-two
:class: dropdown
It is two.
:::
"""
EXPLORER = f"""\
import torch
from lab import explorers
from lab.explorers import dial

class Words:
    def decode(self, i):
        return str(i)

contexts = [dial.context("one", torch.arange(100.0), Words())]
figure, axes = plt.subplots()
axes.plot([1, 2])
explorers.show("dial", {{"contexts": contexts}}, figure, alt="{ALT}")"""
SAME = "".join(
    f"@misc{{doe{number},\n  author = {{Doe, Jo and Roe, Al and {third}, X.}},\n  title = {{{title}}},\n  year = {{{year}}}\n}}\n"
    for number, third, title, year in (
        (1, "Zed", "Last", 1999),
        (2, "Abe", "First", 1999),
        (3, "Moe", "Mid", 1999),
        (4, "Moe", "Other", 2001),
    )
)


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Book:
    book = Book(tmp_path_factory.mktemp("paper") / "book")
    cites = "{cite:p}`doe1`, {cite:t}`doe2`, {cite:p}`doe3,doe4`"
    book.write("book/index.md", f"# {TITLE}\n\n{cites}\n\n```{{bibliography}}\n```\n")
    book.write("book/references.bib", SAME)
    book.notebook(
        "small",
        text(CHAPTER),
        code(
            "from lab import claims\nclaims.settle('N1a', test=bool, evidence={'seed 3': 2}, control={'seed 3': 0}, says='x', control_says='1/√N')"
        ),
        code(PLOT % 3, "fig-near"),
        text(LONG),
        code(PLOT % 4, "fig-far"),
        EXPLORER,
        *(code(f"{letter} = 1", fold=f"Assignment of {letter}") for letter in "abc"),
        text("Between."),
        code("d = 1", fold="Assignment of d"),
        text(LONG + EXERCISE),
    )
    book.built()
    return book


@pytest.fixture
def printed(paper, browser):
    """The chapter as a program prints it, at once and without scrolling."""
    address = (paper.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser) as tab:
        tab.goto(address, wait_until="load")
        tab.emulate_media(media="print")
        yield tab


def test_every_figure_is_there_for_a_page_that_nobody_has_scrolled(printed):
    found = printed.eval_on_selector_all(
        "article img", "images => images.map((i) => [i.checkVisibility(), i.complete && i.naturalWidth > 0])"
    )
    assert found == 3 * [[True, True]]


def test_an_explorer_is_printed_as_its_still_figure(printed):
    assert printed.locator(".explorer-still img").is_visible()
    assert not any(each.is_visible() for each in printed.locator(".explorer :is(button, input, svg)").all())


def test_folded_code_leaves_no_line_and_solutions_are_printed(printed):
    shown = printed.locator("main").inner_text()
    assert not re.search("Click to|Assignment of|steps of code|Cite this chapter", shown)
    assert re.search("Between", shown)
    frames = "frames => frames.filter((e) => e.checkVisibility() && !e.innerText.trim() && !e.querySelector('img, svg')).length"
    assert printed.eval_on_selector_all("article :is(div.cell, details)", frames) == 0
    solution = printed.get_by_text("It is two.")
    assert solution.is_visible() and solution.evaluate("e => e.checkVisibility({ opacityProperty: true })")
    assert solution.evaluate(
        "e => e.closest('.admonition').getBoundingClientRect().bottom >= e.getBoundingClientRect().bottom"
    )


def test_nothing_lies_on_a_figure_on_a_phone(paper, browser):
    """Also after a reader has scrolled up, which brings buttons."""
    address = (paper.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address, width=375, height=667) as tab:
        assert tab.evaluate(COVERED) == []


COVERED = """async () => {
  const found = [], settled = () => new Promise((done) => setTimeout(done, 400));
  for (const figure of document.querySelectorAll("article figure img")) {
    figure.scrollIntoView({ block: "start", behavior: "instant" });
    await settled();
    figure.scrollIntoView({ block: "end", behavior: "instant" });
    await settled();
    const box = figure.getBoundingClientRect();
    for (let x = box.left + 4; x < box.right; x += 8) {
      for (let y = box.top + 4; y < box.bottom; y += 8) {
        const top = document.elementFromPoint(x, y);
        if (top && !figure.contains(top) && !top.contains(figure)) found.push(top.outerHTML.slice(0, 100));
      }
    }
  }
  return found;
}"""


def test_the_mark_of_a_heading_takes_no_room_at_any_width(paper, browser):
    address = (paper.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address) as tab:
        assert tab.evaluate(HIGHER) == []
    with opened(browser, address, width=375) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375


HIGHER = """() => {
  const found = [], heading = document.querySelector("article h1"), mark = heading.querySelector(".headerlink");
  for (let width = 200; width < 900; width += 1) {
    heading.style.width = `${width}px`;
    mark.style.display = "";
    const height = heading.offsetHeight;
    mark.style.display = "none";
    if (height !== heading.offsetHeight) found.push(width);
  }
  return found;
}"""


def test_no_title_says_the_same_twice(paper):
    for page in ("book/index", "notebooks/small", "book/verdicts"):
        parts = BeautifulSoup(paper.page(page), "html.parser").title.text.strip().split(" — ")
        assert len(parts) == len(set(parts)) and parts[-1] == TITLE


@pytest.mark.parametrize(
    ("line", "together"),
    [
        (["a bracket (", "x", "), and"], ["($x$),"]),
        (["the ", "k", "-th of ", "n", " and ", "m", ":"], ["$k$-th", "$m$:"]),
        (["twice ", "x", "", "y", " alone ", "z"], ["$x$$y$"]),
        (["by 1/√N? And\n0.02/√24."], ["1/√N?", "0.02/√24."]),
        (["한국어", "x", "는 말"], ["$x$"]),
        (["only ", "x", " words a/b"], []),
    ],
)
def test_a_formula_and_what_touches_it_stay_together(line, together):
    paragraph = nodes.paragraph()
    for number, part in enumerate(line):
        paragraph += nodes.math("", part) if number % 2 else nodes.Text(part)
    whole, document = paragraph.astext(), nodes.container("", paragraph)
    for _ in range(2):  # the second time there is nothing left to do
        unbroken.keep_together(None, document)
        found = [node for node in paragraph if unbroken.TOGETHER in getattr(node, "attributes", {}).get("classes", ())]
        assert paragraph.astext() == whole
        shown = ["".join(f"${n.astext()}$" if isinstance(n, nodes.math) else n for n in each) for each in found]
        assert shown == [each for each in together if each != "$x$"]


def test_fractions_and_formulas_do_not_part_at_a_lines_end(paper, browser):
    address = (paper.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, address, width=375) as tab:
        assert tab.evaluate(PARTED) == []


PARTED = """() => {
  const found = [];
  document.querySelectorAll("article p, h1, .claim, nav li a").forEach((line) => { line.style.width = "1px"; });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const word of walker.currentNode.data.matchAll(/\\S*\\/√\\S*/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(word[0]);
    }
  }
  for (const formula of document.querySelectorAll("article p mjx-container")) {
    for (const beside of [formula.parentElement.previousSibling, formula.parentElement.nextSibling]) {
      const touches = beside?.data && (beside === formula.parentElement.nextSibling ? /^\\S/ : /\\S$/).test(beside.data);
      const range = document.createRange();
      if (!touches) continue;
      range.selectNodeContents(beside);
      const box = formula.getBoundingClientRect();
      if (![...range.getClientRects()].some((other) => other.top < box.bottom && other.bottom > box.top)) found.push(beside.data);
    }
  }
  return found;
}"""


def test_works_that_would_be_cited_alike_are_told_apart_cold_and_warm(paper):
    for _ in range(2):
        page = BeautifulSoup(paper.page("book/index"), "html.parser").article.get_text(" ", strip=True)
        cited = re.sub(r"\s+", " ", page)
        assert re.search(r"Doe et al. , 1999c", cited) and re.search(r"Doe et al. \[ 1999a \]", cited)
        assert re.search(r"Doe et al. , 1999b", cited) and re.search(r"Doe et al. , 2001 ", cited)
        assert [re.search(f"{title}. ([^.]*)", cited)[1] for title in ("First", "Mid", "Last", "Other")] == [
            "1999a",
            "1999b",
            "1999c",
            "2001",
        ]
        paper.built()


TITLES = [
    "Why does GPT scale by 1/√N? Is that attention's 1/√d_k?",
    r"100 % of {all} \alpha & #1 ~ ^ $x$ {",
    "Łukasz — “quoted” … 3 < 4, Zoë's naïve façade",
]


@pytest.mark.parametrize("title", TITLES)
def test_an_entry_is_latex_in_ascii_and_comes_back_as_it_was(title):
    url = "https://book.example/notebooks/05_sqrt_n.html"
    fields = {"author": "the contributors", "title": title, "year": "2026", "note": "Version v1_2, 3 May 2026"}
    entry = citation.bibtex("a-key-2026", fields, url)
    assert entry.isascii()
    found = parse_string(entry, "bibtex").entries["a-key-2026"]
    assert found.fields["url"] == url and [str(person) for person in found.persons["author"]] == ["{the contributors}"]
    for name, written in (("title", found.fields["title"][1:-1]), ("note", found.fields["note"])):
        bare = re.sub(r"\\(?:[a-zA-Z]+|.)", "", written.replace(r"$\surd$", ""))  # without commands
        assert not re.search(r"[\\#$%&_~^]", bare), written
        for sign, command in citation.MARKUP.items():
            written = written.replace(command, f"<{sign}>")
        assert re.sub(r"<(\d+)>", lambda sign: chr(int(sign[1])), codecs.decode(written, "ulatex")) == fields[name]


def test_letters_that_latex_has_no_command_for_stay():
    assert citation.tex("왜 √N?") == r"왜 $\surd$N?"


def test_a_key_begins_with_a_letter_and_the_page_shows_the_entry(paper):
    shown = BeautifulSoup(paper.page("notebooks/small"), "html.parser").select_one(".cite pre").text
    assert re.match(r"@incollection\{[a-z][a-z0-9-]*,\n", shown) and r"1/$\surd$d\_k" in shown


@pytest.fixture(scope="module")
def linked(shared_book) -> Book:
    """A book that links to nobody else, built."""
    shared_book.write("book/index.md", "# A small book\n\n[Verdicts](verdicts.md)\n")
    shared_book.built()
    return shared_book


@pytest.mark.parametrize("builder", [*(name for name in BUILDER_OPTS if name != "custom"), "epub", "nonsense"])
def test_a_builder_succeeds_or_is_refused_in_one_line(linked, builder):
    options = (builder,) if builder in BUILDER_OPTS else ("custom", "--custom-builder", builder)
    code, said = linked.build("--builder", *options)
    assert "Traceback" not in said
    errors = [line for line in said.splitlines() if line.startswith("ERROR")]
    if builder in forms.BUILDERS:
        assert (code, errors) == (0, []), said
    else:
        assert code == 1 and len(errors) == 1 and f"the builder {builder};" in errors[0]
        assert said.splitlines()[-1] == errors[0]
