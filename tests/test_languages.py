"""A second language from the same run: a small book in English, and in a made-up one, which is English in capitals."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from babel.messages.pofile import read_po, write_po
from bs4 import BeautifulSoup

from booksite.claims import mentions
from booksite.editions import languages, translate
from conftest import LIMIT, ROOT, Book, code, text
from lab import palette

LANGUAGE = "eo"  # it must be one that Babel knows, for the names of months
# roles, places of values, formulas, parts of dates and names of statements are the same in every language
SAME = re.compile(r"(\{[^}]*\}(?:`[^`]*`)?|\$[^$]+\$|%-?\w|\bN\d+[a-z]?(?:\.[a-z-]+)?)")
# what stays as it is: names of claims and terms, and words of other extensions, which have catalogues of their own
KEPT = re.compile(r"N1a(\.part)?|logit|Note|Exercise|Solution|Link to this \w+|_?small\b|“one”|one …")

MAP = {
    "updates": [0, 1],
    "measures": [{"name": "what is measured", "low": 0, "high": 1, "ticks": [0, 1], "log": False}],
    "arms": [{"name": "the only arm", "color": "blue", "runs": [[[0, 1]]]}],
}
DIAL = {"contexts": [{"text": "one", "words": ["A"] * 9, "logits": [-i for i in range(9)], "bins": [[-9, 3]]}]}
CELLS = (
    text(
        "# Is it small?\n\n(short-answer)=\n**The short answer.** It is, as N1a.part says and N1a of a {term}`logit`, "
        "by {eval}`run.gain`; see {eval}`figure.main`."
    ),
    code(
        "import matplotlib.pyplot as plt\nfrom lab import claims, contents, explorers, figures\n"
        "from lab.values import Values\nfigures.use()\nrun = Values()\nrun.keep('.2f', gain=1.234)\n"
        "file = open('runs', 'a')\nfile.write('once ')\nfile.close()",
        fold="What is imported",
    ),
    code("contents.show_statements('small')"),
    text("## A section\n\nIts words, with $d_k$.\n\n| head | other |\n|---|---|\n| cell | cell |"),
    text(":::{note}\nNoted.\n:::"),
    code(
        "claims.settle('N1a.part', test=lambda x: x > 1, evidence={'seed 3': 2, 'seed 4': 3}, "
        "control={'seed 3': 0}, says='share of words', control_says='no words', so='So many as {n}.', values={'n': 3}, "
        "rows=('many', 'few'), dot='one text')",
        fold="The test",
    ),
    code(
        "plt.plot([1, 20])\nplt.title('a title & more')\nplt.ylabel('two\\nlines')\nplt.yscale('log');",
        figure="fig-main",
        caption="A caption.",
        alt="A line that rises.",
    ),
    *(code("pass", fold=fold) for fold in ("First", "Second", "Third")),
    code(f"fig, ax = plt.subplots()\nax.set_xlabel('still words')\nexplorers.show('dial', {DIAL}, fig, 'The dial.')"),
    code(f"explorers.show('map', {MAP}, plt.figure(), 'The map.')"),
    text(
        ":::{exercise} A titled exercise\n:label: ex\n:nonumber:\n\nDo it.\n:::\n\n"
        ":::{solution} ex\n:class: dropdown\n\nDone.\n:::"
    ),
    text("(answer-complete)=\n## The answer, complete\n\nThat was N1a of it."),
)
PAGES = {
    "index": "# A small book\n\nWords.\n\n:::{questions} Choosing the next word\n:::\n\n:::{claim} N1a.part\n:::",
    "glossary": "# Glossary\n\n:::{glossary}\nLogit\n  A number before the softmax.\n:::",
    "verdicts": "# Verdicts\n\n:::{verdicts}\n:::\n\n## Part\n\n:::{question} ../notebooks/small.ipynb\n:figure: fig-main\n"
    "The answer in a line.\n:::\n\n### N1a: the argmax picks index 1\n\n"
    "{verdict}`holds with a condition` Of the rest, nothing.\n\n:::{evidence} N1a.part\n:::",
}
CONTENTS = """\
format: jb-book
root: book/index
parts:
- caption: Choosing the next word
  numbered: 2
  chapters:
  - file: notebooks/small
- caption: The evidence
  chapters:
  - file: book/verdicts
  - file: book/glossary
"""


def fill(book: Book) -> None:
    book.kernels = True  # as readers run it: once
    book.write("_toc.yml", CONTENTS)
    for name, words in PAGES.items():
        book.write(f"book/{name}.md", words)
    book.notebook("small", *CELLS)
    book.built()


def made_up(message: str) -> str:
    """A message in the made-up language, where N1a takes a particle that follows without a space."""
    parts = SAME.split(message)
    for i, part in enumerate(parts):
        particle = "는" if part == "N1a" and parts[i + 1].startswith(" ") else ""
        parts[i] = part + particle if i % 2 else part.upper()
    return "".join(parts)


def command(root: Path, action: str) -> str:
    script = root / "book" / "booksite" / "editions" / "translate.py"
    done = subprocess.run([sys.executable, script, action, LANGUAGE], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> SimpleNamespace:
    """The book in English, and all but its glossary in the made-up language."""
    book = Book(tmp_path_factory.mktemp("book") / "book")
    fill(book)
    command(book.root, "catalogues")
    folder = translate.folder(book.root, LANGUAGE)
    messages = {}
    for file in folder.rglob("*.po"):
        with file.open("rb") as known:
            catalogue = read_po(known)
        for message in catalogue:
            message.string = message.id and made_up(message.id)
        messages[file.relative_to(folder).as_posix()] = [message.id for message in catalogue if message.id]
        with file.open("wb") as written:
            write_po(written, catalogue)
    (folder / "book" / "glossary.po").unlink()
    command(book.root, "check")
    command(book.root, "site")

    def page(name: str, language: str | None = None) -> BeautifulSoup:
        file = book.root / "_build" / (language or "") / "html" / f"{name}.html"
        return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")

    return SimpleNamespace(root=book.root, messages=messages, page=page)


def read(article) -> str:
    """All that a reader sees or hears of an article, without code and formulas."""
    said = [element[name] for name in ("alt", "aria-label", "title") for element in article.select(f"[{name}]")]
    for element in article.select("pre, script, style, .math, .definition"):  # the last is of another page
        element.decompose()
    return "\n".join([article.get_text("\n"), *said])


def pictures(both, article) -> list[str]:
    """The texts in the pictures of an article."""
    folder = both.root / "_build" / LANGUAGE / "html" / "_images"
    files = [folder / Path(image["src"]).name for image in article.select("img")]
    return [words for file in files for words in languages.labels(file.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("name", ["notebooks/small", "book/verdicts", "book/index"])
def test_no_english_is_left_on_a_translated_page(both, name):
    article = both.page(name, LANGUAGE).select_one("article")
    labels = pictures(both, article)
    left = [line for line in [*read(article).split("\n"), *labels] if re.search("[a-z]", KEPT.sub("", line))]
    assert left == []
    if name == "notebooks/small":
        assert sorted(labels) == ["A TITLE & MORE", "LINES", "STILL WORDS", "TWO"]


def test_every_message_of_a_chapter_is_found(both):
    found = both.messages["notebooks/small.po"]
    wanted = [
        "share of words",
        "no words",
        "So many as {n}.",
        "many",
        "few",
        "one text",
        "What is imported",
        "A line that rises.",
        "two",
        "a title & more",
    ]
    wanted += ["A caption.", "The dial.", "still words", "what is measured", "the only arm", "A titled exercise"]
    assert not {*wanted} - {*found}
    own = both.messages["booksite.po"]
    assert not {*palette.VERDICTS, "Draw 1,000", "code", "Fold code", "Cite this chapter"} - {*own}


def test_explorers_have_words_and_data_in_the_language(both):
    shown = both.page("notebooks/small", LANGUAGE).select(".explorer")
    data = [json.loads(each.select_one('script[type="application/json"]').string) for each in shown]
    assert data[0] == DIAL  # what the model was asked, and its tokens
    assert data[1]["measures"][0] == MAP["measures"][0] | {"name": "WHAT IS MEASURED"}
    assert data[1]["arms"][0] == MAP["arms"][0] | {"name": "THE ONLY ARM"}
    for each in shown:
        script = each.select_one('script[type="module"]').string
        table = json.loads(re.search(r"^kit\.words = (.*);$", script, re.M)[1])
        said = set(languages.said(script))
        assert len(said) > 5 and table == {words: made_up(words) for words in said if made_up(words) != words}
    (script,) = both.page("notebooks/small").select('[data-explorer="map"] script[type="module"]')
    assert "kit.words = {};" in script.string  # English needs none


def test_explorers_speak_in_a_browser(both, browser):
    tab = browser.new_page()
    tab.goto((both.root / "_build" / LANGUAGE / "html" / "notebooks" / "small.html").as_uri())
    tab.get_by_text("DRAW ONCE").click()
    assert tab.locator('[data-explorer="dial"] .said').inner_text().startswith("OUT CAME:")
    assert tab.locator('[data-explorer="map"] .said').inner_text().startswith("THE NUMBERS ARE MEANS")
    assert tab.locator(".code-switch").inner_text() == "SHOW CODE"
    tab.close()


def test_the_notebook_has_run_once_and_gives_both_pages_the_same(both):
    assert (both.root / "notebooks" / "runs").read_text() == "once "
    for name in ("notebooks/small", "book/verdicts"):
        english, other = (both.page(name, language).select_one("article") for language in (None, LANGUAGE))
        for select, take in (
            ("[id]", lambda element: element["id"]),
            ("a[href]", lambda element: element["href"]),
            (".pasted-text", lambda element: element.text),
            ("div.claim, div.evidence", lambda element: re.findall(r"[\d.]+", element.text)),
            (".verdict", lambda element: element["class"]),
            ("svg[role=img] circle, svg[role=img] rect", str),
        ):
            found = [take(element) for element in english.select(select)]
            assert found == [take(element) for element in other.select(select)], select
            assert found or name == "book/verdicts"
    colours = (both.root / "_build" / LANGUAGE / "html" / "_static" / "verdicts.css").read_text()
    assert ".verdict-holds-with-a-condition {" in colours


def test_a_name_before_a_particle_is_a_link(both):
    links = both.page("notebooks/small", LANGUAGE).select("article p > a")
    linked = [link.text for link in links if str(link.next_sibling).startswith("는")]
    assert linked == ["N1a", "N1a"]
    assert [found[0] for found in mentions.MENTION.finditer("N1a는 N1b.part가 xN1c N1d-e")] == ["N1a", "N1b.part"]


def test_a_translated_chapter_describes_itself_by_its_short_answer(both):
    said = both.page("notebooks/small", LANGUAGE).select_one("meta[name=description]")["content"]
    assert said == "IT IS, AS N1a.part SAYS AND N1a는 OF A logit, BY 1.23; SEE FIGURE 1.1."


def test_what_surrounds_a_page_is_translated(both):
    page = both.page("notebooks/small", LANGUAGE)
    assert page.html["lang"] == LANGUAGE
    assert "CHOOSING THE NEXT WORD" in page.select_one(".bd-sidebar-primary").text
    assert page.select_one(".build").text.strip().startswith("BUILT ON ")
    assert page.select_one(".cite summary").text == "CITE THIS CHAPTER"


def test_without_a_catalogue_a_page_is_english(both):
    page = both.page("book/glossary", LANGUAGE)
    assert "A number before the softmax." in page.select_one("article").text
    assert "IS IT SMALL?" in page.text  # another page's


def test_every_word_that_is_said_can_be_found():
    """Words that are put together in code would be in no catalogue."""
    files = [path for kind in ("py", "js", "html") for path in (ROOT / "book" / "booksite").rglob(f"*.{kind}")]
    files += [ROOT / "notebooks" / "lab" / "cards.py", *(ROOT / "notebooks" / "lab" / "explorers").glob("*.js")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    others = set(re.findall(r'(?<!def )\bsay\((?!\s*")[^)]*\)', sources))
    defined = {"say(words)", "say(words, values = {})"}
    # a verdict's name, a title in the configuration, a rule's name that was said before
    assert others - defined == {"say(verdict)", "say(config[name])", "say(named, { n: state.width })"}
    for words in languages.said(sources):
        assert words.strip() == words and words


def test_labels_are_words_and_no_formulas():
    svg = '<text x="1">a &lt; b</text><text>0.5</text><text>−1</text><text><tspan>d</tspan></text><text>√N</text>'
    assert languages.labels(svg) == ["a < b", "√N"]
    assert "<text>√K &amp;</text>" in languages.relabelled(svg, {"√N": "√K &"})
    assert languages.relabelled(svg, {}) == svg


def test_translations_that_lack_something_are_named(tmp_path, capsys):
    file = translate.folder(tmp_path, LANGUAGE) / "small.po"
    file.parent.mkdir(parents=True)
    pairs = {
        "{n} runs": "{n} FOJOJ",
        "by {eval}`run.a`": "{eval}`run.a`",
        "$d_k$": "$d_k$",
        "a {term}`x`": "{term}`y <x>`",
    }
    file.write_text("".join(f'msgid "{a}"\nmsgstr "{b}"\n\n' for a, b in pairs.items()), encoding="utf-8")
    translate.check(tmp_path, LANGUAGE)
    bad = {"{n} of": "DE", "by {eval}`run.b`": "{eval}`run.c`", "$n$": "$N$", "new": ""}
    file.write_text("".join(f'msgid "{a}"\nmsgstr "{b}"\n\n' for a, b in bad.items()), encoding="utf-8")
    with pytest.raises(SystemExit, match="^4 messages"):
        translate.check(tmp_path, LANGUAGE)
    said = capsys.readouterr().out
    assert all(message in said for message in bad) and "untranslated: new" in said
