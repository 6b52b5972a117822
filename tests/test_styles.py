"""The style sheet that all pages share: nothing that a page or a script uses is missing in it."""

import re

import pytest

import visits
from booksite.reader import scripts, styles
from browser import served
from conftest import opened

SELECTORS = r"""(sheets) => {
  // The selectors of a sheet, without what depends on a state or makes no element
  const split = (list) => {
    const found = [""];
    let depth = 0;
    for (const character of list) {
      depth += "([".includes(character) - ")]".includes(character);
      if (character === "," && !depth) found.push("");
      else found[found.length - 1] += character;
    }
    return found.map((selector) => selector.trim());
  };
  const selectors = (rules) => [...rules].flatMap((rule) => rule.selectorText ? split(rule.selectorText) : rule.cssRules ? selectors(rule.cssRules) : []);
  const parsed = (text) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    return selectors(sheet.cssRules);
  };
  const [site, ...others] = sheets.map(parsed);
  const kept = new Set(site), lost = others.flat().filter((selector) => !kept.has(selector));
  const states = /::[\w-]+(\([^)]*\))?|:(hover|focus|active|focus-visible|focus-within|visited|target|checked|disabled|enabled|link|autofill|before|after|first-letter|first-line)(?![\w-])/g;
  const stands = (selector) => {
    try {
      return document.querySelector(selector.replace(states, "").replace(/(^|[\s>+~])(?=$|[\s>+~])/g, "$1*"));
    } catch {
      return null;
    }
  };
  return [kept.size, lost.length, lost.filter(stands)];
}"""


def test_no_rule_is_lost_that_styles_something_on_a_page(site, browser):
    """Everything is unfolded, and what scripts make is there."""
    folder = site / "_static"
    css = (folder / styles.SHEET).read_text(encoding="utf-8")
    names = re.match(r"/\* (.*?) \*/", css)[1].split()
    sheets = [css, *(sheet for name in names for _, sheet in styles.read(folder, name))]
    assert len(names) > 10
    with served(site, visits.Pages) as host:
        for page in visits.pages(site):
            with opened(browser, host + visits.FOLDER.lstrip("/") + page, width=375) as tab:
                tab.evaluate(visits.UNFOLD)
                for button in tab.locator(".article-header-buttons button.dropdown-toggle").all():
                    button.click()
                n_kept, n_lost, missed = tab.evaluate(SELECTORS, sheets)
            assert n_kept > 500 and n_lost > 500 and missed == [], page


@pytest.fixture
def small(tmp_path):
    """A site of one page, with what its sheet holds after joining."""

    def written(css: str, html: str = "", script: str = "") -> str:
        folder = tmp_path / "_static"
        (folder / "styles").mkdir(parents=True, exist_ok=True)
        (folder / "styles" / "one.css").write_text(css)
        (folder / "one.js").write_text(script)
        link = '<link rel="stylesheet" type="text/css" href="_static/styles/one.css?v=12" />'
        (tmp_path / "page.html").write_text(
            f'<head>{link}<script defer src="_static/one.js?v=1"></script></head>{html}'
        )

        class App:
            outdir = tmp_path

            class builder:
                name = "html"

        styles.join(App, None)
        return (folder / styles.SHEET).read_text().partition("*/\n")[2]

    return written


@pytest.mark.parametrize(
    "css", ["p.a{x:y}", "#b > i:hover{x:y}", "DIV p{x:y}", ":root{--v: 1}", "[data-c]{x:y}", ".a:not(.z){x:y}"]
)
def test_what_a_page_uses_stays(small, css):
    assert small(css, '<div id="b"><p class="c a" data-c></p><i></i></div>').split() == css.split()


@pytest.mark.parametrize("css", [".z{x:y}", "p .z:hover{x:y}", "#z{x:y}", "video{x:y}", "@media print{.z{x:y}}"])
def test_what_no_page_uses_goes(small, css):
    assert small(css, '<p class="a" title="z">.z video</p>').strip() == ""


@pytest.mark.parametrize(
    ("css", "script"),
    [
        (".made{x:y}", "element.classList.add('made')"),
        (".tip-left{x:y}", "element.className = `tip-${side}`"),
        ("my-box{x:y}", "document.createElement('my-box')"),
    ],
)
def test_what_a_script_may_make_stays(small, css, script):
    assert small(css, script=script).strip() == css and small(css).strip() == ""
    assert small(css, f"<script>{script}</script>").strip() == css


def test_a_rule_that_a_browser_would_leave_out_is_left_out_still(small):
    """A browser leaves out a rule if it does not know one of its selectors."""
    assert small("_::unknown, p{x:y}", "<p></p>").split() == ["_::unknown,p{x:y}"]
    assert small(".z, p{x:y}", "<p></p>").split() == ["p{x:y}"]


def test_fonts_and_animations_that_are_named_stay_and_addresses_lead_where_they_led(small):
    used = '@font-face{font-family:A\\ B;src:url("../f.woff")}@keyframes k{to{x:y}}'
    unused = '@font-face{font-family:C;src:url("../g.woff")}@keyframes l{to{x:y}}'
    css = small(used + unused + 'p{font-family:"A B";animation:k 1s;background:url(i.svg)}', "<p></p>")
    assert 'url("f.woff")' in css and "keyframes k" in css and 'url("styles/i.svg")' in css
    assert "g.woff" not in css and "keyframes l" not in css


def test_pages_link_to_one_sheet_where_the_first_stood(small, tmp_path):
    small("p{x:y}")
    for _ in range(2):  # also a page that was not written again
        html = (tmp_path / "page.html").read_text()
        assert re.findall(r'href="([^"?]*)', html) == ["_static/site.css"]
        assert html.index("site.css") < html.index("<script")


def test_sheets_keep_their_order():
    assert styles.order([["a", "b", "d"], ["a", "c", "d"], ["b", "c", "d"]]) == list("abcd")
    assert styles.order([["a", "d"], ["a", "b", "d"]]) == ["a", "b", "d"]


def test_scripts_that_all_pages_load_are_joined_and_others_stay(tmp_path):
    folder = tmp_path / "_static"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.js").write_text(f"window.order = (window.order ?? '') + '{name}'", encoding="utf-8")
    load = lambda *names: "".join(f'<script defer="defer" src="{n}"></script>\n' for n in names)
    theme = '<script defer src="_static/scripts/theme.js"></script>'
    (tmp_path / "one.html").write_text(load("_static/a.js?v=1", "_static/b.js", "_static/c.js") + theme)
    (tmp_path / "two.html").write_text("<p>" + load("_static/a.js?v=1", "_static/c.js") + theme)
    (tmp_path / "bare.html").write_text("<p>no script</p>")

    class App:
        outdir = tmp_path

        class builder:
            name = "html"

    scripts.join(App, None)
    one, two = (re.findall(r'src="([^"?]*)', (tmp_path / name).read_text()) for name in ("one.html", "two.html"))
    assert one == ["_static/site.js", "_static/b.js", "_static/scripts/theme.js"]
    assert two == ["_static/site.js", "_static/scripts/theme.js"]
    assert re.findall("'([a-c])'", (folder / "site.js").read_text()) == ["a", "c"]
    assert (tmp_path / "bare.html").read_text() == "<p>no script</p>"
