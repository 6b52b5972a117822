"""The built site by the keyboard and to a screen reader: axe-core on every page, and what axe cannot tell."""

from collections import Counter

from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS, THEMES = (1280, 375), ("light", "dark")
# What stays: (rule, part of the element's HTML) -> whose it is.
KNOWN = {
    (
        "empty-table-header",
        "<mjx-assistive-mml",
    ): "MathJax, axe: a header that is a formula; screen readers read its MathML",
}

# Everything is unfolded. Of code, thousands of spans in a dozen colours, one span of each kind and the longest of the
# lines between two spans stay, to save time.
UNFOLD = r"""() => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const button of document.querySelectorAll(".toggle-button-hidden")) button.click();
  const kinds = new Set();
  for (const span of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = span.className;
    kinds.has(kind) ? span.replaceWith(...span.childNodes) : kinds.add(kind);
  }
  for (const code of document.querySelectorAll(".highlight pre")) {
    code.normalize();
    for (const text of code.childNodes) {
      if (text.nodeType === Node.TEXT_NODE) {
        text.data = "\n" + text.data.split("\n").reduce((longest, line) => (line.length > longest.length ? line : longest));
      }
    }
  }
  document.head.append(Object.assign(document.createElement("style"), { textContent: "* { animation: none !important; transition: none !important }" }));
}"""
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"


def violations(tab, rules: list[str] | None = None) -> list[tuple[str, str, str]]:
    """What axe finds on the page as it stands: (rule, HTML of the element, what is wrong)."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    found = tab.evaluate(
        """async (options) => (await axe.run(options)).violations.flatMap((found) => found.nodes.map(
          (node) => [found.id, document.querySelector(node.target[0]).outerHTML, node.failureSummary]))""",
        {"runOnly": only, "resultTypes": ["violations"]},
    )
    return [tuple(violation) for violation in found]


def looked_at(tab, page: str) -> list[tuple]:
    """All violations of a page, unfolded: every rule at each width, and the colours once more in the other theme."""
    tab.goto(page, wait_until="networkidle")
    tab.evaluate(UNFOLD)
    tab.evaluate(AXE_SCRIPT)
    found = []
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            tab.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            tab.evaluate(SETTLED)
            rules = None if theme == THEMES[0] else ["color-contrast", "link-in-text-block"]
            found += [(width, theme, *violation) for violation in violations(tab, rules)]
    tab.set_viewport_size({"width": WIDTHS[0], "height": 900})
    return found


def test_axe_finds_nothing_on_any_page(site, browser, address):
    tab = browser.new_context(viewport={"width": WIDTHS[0], "height": 900}, reduced_motion="reduce").new_page()
    pages = [p.relative_to(site).as_posix() for p in site.rglob("*.html") if "_static" not in p.parts]
    assert len(pages) > 12
    found = {}
    for page in sorted(pages):
        rest = [v for v in looked_at(tab, address + page) if not any(v[2] == r and h in v[3] for r, h in KNOWN)]
        if rest:
            found[page] = [(*where, html[:200], why) for *where, html, why in rest]
    tab.context.close()
    assert found == {}


def test_axe_notices_each_fault_that_is_mended(browser):
    faults = """<html lang="en"><head><title>x</title></head><body><main><h1>x</h1><div role="list">
    <div role="doc-biblioentry">a</div></div><table><tr><th></th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>
    <p style="background:#f3f4f5;color:#176de8">a link in a table</p></main><a href="#">outside</a></body></html>"""
    tab = browser.new_page()
    tab.set_content(faults)
    tab.evaluate(AXE_SCRIPT)
    rules = {rule for rule, *_ in violations(tab)}
    tab.close()
    assert rules >= {"aria-deprecated-role", "empty-table-header", "color-contrast", "region"}


def test_ids_are_used_once(site):
    for page in sorted((site / "notebooks").glob("*.html")):
        ids = Counter(e["id"] for e in BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select("[id]"))
        assert [name for name, times in ids.items() if times > 1] == [], page.name


def test_what_scrolls_is_a_stop_and_nothing_else_of_the_text(browser, address):
    tab = browser.new_page(viewport={"width": 375, "height": 800})
    for page in ("notebooks/05_sqrt_n_scaling.html", "notebooks/06_pre_ln_vs_post_ln.html"):
        tab.goto(address + page, wait_until="networkidle")
        tab.evaluate(UNFOLD)
        tab.evaluate(SETTLED)
        wrong = tab.evaluate("""() => [...document.querySelectorAll("article :is(pre, .pst-scrollable-table-container, div.math > mjx-container)")]
          .filter((e) => (e.scrollWidth > e.clientWidth) !== (e.tabIndex === 0)).map((e) => e.outerHTML.slice(0, 200))""")
        assert wrong == [], page
    tab.close()


def test_a_sidebar_over_the_page_keeps_the_focus_and_gives_it_back(browser, address):
    tab = browser.new_page(viewport={"width": 375, "height": 800}, bypass_csp=True)  # to wait for a script
    tab.goto(address + "notebooks/07_warmup_and_radam.html", wait_until="networkidle")
    for side in ("primary", "secondary"):
        button = tab.locator(f"button.{side}-toggle")
        assert button.get_attribute("aria-expanded") == "false"
        button.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_function(f"document.activeElement.closest('.bd-sidebar-{side}')")
        assert button.get_attribute("aria-expanded") == "true"
        for _ in range(60):
            tab.keyboard.press("Tab")
            assert tab.evaluate(f"document.activeElement.matches('body, .bd-sidebar-{side} *')")
        tab.locator(f".bd-sidebar-{side} a").first.focus()
        tab.keyboard.press("Escape")
        tab.wait_for_function(f"document.activeElement.matches('button.{side}-toggle')")
        assert button.get_attribute("aria-expanded") == "false"
        assert tab.evaluate("document.querySelectorAll('[inert]').length") == 0
    tab.close()


def test_the_focus_is_seen_on_the_buttons_of_the_header_and_of_solutions(browser, address):
    tab = browser.new_page(viewport={"width": 375, "height": 800})
    tab.goto(address + "notebooks/07_warmup_and_radam.html", wait_until="networkidle")
    tab.keyboard.press("Tab")  # the keyboard is in use
    buttons = tab.locator(".bd-header-article button:visible, button.toggle-button")
    assert buttons.count() > 5
    for button in buttons.all():
        button.focus()
        assert button.evaluate("e => getComputedStyle(e).outlineStyle") != "none", button.get_attribute("class")
    assert tab.locator(".toggle-button").first.get_attribute("aria-label") == "Solution"
    tab.close()
