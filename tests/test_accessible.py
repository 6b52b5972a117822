"""The site by the keyboard, without scripts, and on paper."""

import pytest
from bs4 import BeautifulSoup

from conftest import opened


@pytest.fixture(scope="module")
def chapter(site) -> str:
    return (site / "notebooks" / "07_warmup_and_radam.html").as_uri()


def test_the_book_has_its_own_templates(sample):
    page = BeautifulSoup(sample.page("notebooks/small"), "html.parser")
    assert page.select_one("#chapters-link")["href"] == "#chapters" and page.select_one("#chapters")


def test_a_sidebar_over_the_page_keeps_the_focus_and_gives_it_back(browser, chapter):
    with opened(browser, chapter, width=375) as tab:
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


def test_the_focus_is_seen_on_the_buttons_of_the_header_and_of_solutions(browser, chapter):
    with opened(browser, chapter, width=375) as tab:
        tab.keyboard.press("Tab")  # the keyboard is in use
        buttons = tab.locator(".bd-header-article button:visible, button.toggle-button")
        assert buttons.count() > 5
        for button in buttons.all():
            button.focus()
            assert button.evaluate("e => getComputedStyle(e).outlineStyle") != "none", button.get_attribute("class")
        assert tab.locator(".toggle-button").first.get_attribute("aria-label") == "Solution"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_without_scripts_a_chapter_leads_to_the_others_and_is_legible(browser, chapter, width, scheme):
    with opened(browser, chapter, width, color_scheme=scheme, java_script_enabled=False) as tab:
        assert tab.locator("html").get_attribute("data-theme") == "light"  # the one that needs no script
        assert tab.locator(".explorer-still img").first.is_visible()
        buttons = tab.locator("header button:visible, .bd-header-article button:visible")
        assert buttons.count() == 0  # none would do anything
        if width == 375:
            contents = tab.get_by_role("link", name="Contents", exact=True)
            assert contents.count() == 1
            contents.click()
            assert tab.url.endswith("#chapters")
        assert tab.locator(".bd-sidebar-primary a:visible").count() > 9
        tab.locator(".bd-sidebar-primary").get_by_role("link", name="Verdicts").click()
        assert tab.url.endswith("book/verdicts.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_known_before_any_script_has_come(browser, chapter, scheme):
    with opened(browser, color_scheme=scheme) as tab:
        tab.route("**/*.js*", lambda route: route.abort())
        tab.goto(chapter)
        assert tab.locator("html").get_attribute("data-theme") == scheme


def test_a_chapter_prints_light_with_its_title_and_without_sidebars(browser, chapter):
    with opened(browser, chapter, width=700, color_scheme="dark") as tab:
        tab.evaluate("addEventListener('beforeprint', () => (window.printed = document.documentElement.dataset.theme))")
        tab.pdf()
        assert tab.evaluate("printed") == "light"
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        tab.emulate_media(media="print")
        shown = tab.evaluate(
            """() => ({
                title: document.querySelector("article h1").checkVisibility(),
                open: document.querySelectorAll("article details[open]").length,
                wide: document.documentElement.scrollWidth > innerWidth,
                beside: [...document.querySelectorAll(".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article")]
                    .filter((e) => e.checkVisibility()).length,
            })"""
        )
        assert shown == {"title": True, "open": 0, "wide": False, "beside": 0}


def test_the_table_of_run_times_fits_a_phone(browser, site):
    with opened(browser, (site / "book" / "running.html").as_uri(), width=375) as tab:
        box = tab.locator(".run-times .pst-scrollable-table-container")
        assert box.locator("tbody tr").count() == len(list((site / "notebooks").glob("*.html")))
        assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
        assert "Run Time" in box.inner_text()
