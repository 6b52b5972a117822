"""The content security policy: every page works under it, and it stops what was not built here."""

import pytest
from browser import served
from bs4 import BeautifulSoup

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
window.print = () => (window.printed = true);
"""


@pytest.fixture(scope="module")
def tab(browser, site):
    """A tab that notes what the policy forbids, at the site's address."""
    with served(site) as address:
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800})
        context.add_init_script(WATCH)
        yield context.new_page()
        context.close()


def pages(site):
    found = {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    return {name: page for name, page in found.items() if "<meta charset" in page}


def test_no_page_has_a_handler_in_its_markup(site):
    for name, page in pages(site).items():
        handlers = [
            tag
            for tag in BeautifulSoup(page, "html.parser").find_all(True)
            if any(a.startswith("on") for a in tag.attrs)
        ]
        assert handlers == [], name


def test_every_page_works_under_its_policy(tab, site):
    for name in pages(site):
        tab.goto(name, wait_until="networkidle")
        assert tab.locator("meta[http-equiv=Content-Security-Policy]").count() == 1, name
        assert tab.locator(".explorer-still").count() == 0, name  # each explorer's script has taken its place
        assert tab.locator(".math").count() == 0 or tab.locator("mjx-container").count() > 0, name
        assert tab.evaluate("violations") == [], name


def test_the_buttons_work_under_the_policy(tab):
    tab.goto("notebooks/07_warmup_and_radam.html", wait_until="networkidle")
    tab.locator(".theme-switch-button:visible").click()
    assert tab.locator("html").get_attribute("data-mode") == "dark"
    tab.click(".dropdown-download-buttons button")
    tab.click(".btn-download-pdf-button")
    assert tab.evaluate("window.printed")
    tab.locator("button.copybtn").first.click(force=True)
    assert tab.evaluate("violations") == []


def test_the_search_works_under_the_policy(tab):
    tab.goto("book/index.html", wait_until="networkidle")
    tab.keyboard.press("Control+k")
    tab.wait_for_selector("dialog[open] input:focus")
    tab.keyboard.type("temperature")
    tab.wait_for_selector("dialog[open] a[href*='02_other_samplers']")
    assert tab.evaluate("violations") == []


@pytest.mark.parametrize(
    "planted",
    [
        "const script = document.createElement('script'); script.text = 'window.ran = true'; document.body.append(script);",
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"x.png\" onerror=\"window.ran = true\">');",
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\">');",
    ],
)
def test_what_was_not_built_here_is_stopped(tab, planted):
    tab.goto("book/running.html", wait_until="networkidle")
    tab.evaluate(planted)
    tab.wait_for_function("violations.length > 0")
    assert tab.evaluate("window.ran") is None
