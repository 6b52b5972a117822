"""The site by the keyboard, without scripts, and on paper."""

import pytest
from bs4 import BeautifulSoup

import visits
from booksite.reader import accessible
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


def test_a_page_that_is_gone_back_to_tells_whether_its_sidebar_is_open(browser, chapter):
    with opened(browser, chapter, width=375) as tab:
        tab.locator("button.primary-toggle").click()
        tab.locator(".bd-sidebar-primary").get_by_role("link", name="Verdicts").click()
        tab.wait_for_url("**/verdicts.html")
        tab.go_back(wait_until="networkidle")
        shown = tab.locator("#pst-primary-sidebar-checkbox").is_checked()
        assert tab.locator("button.primary-toggle").get_attribute("aria-expanded") == str(shown).lower()
        assert bool(tab.locator("main [inert], main[inert]").count()) == shown


# The stops of the tab key that are not seen when they have the focus
STRAY = """() => [...document.querySelectorAll("*")].filter((e) => e.tabIndex >= 0).filter((e) => {
  e.focus();
  if (document.activeElement !== e) return false;
  const box = e.getBoundingClientRect();
  const outside = box.left < -1 || box.right > innerWidth + 1 || box.bottom < 1 || box.top > innerHeight - 1;
  return outside || !box.width || !box.height || !e.checkVisibility({ visibilityProperty: true });
}).map((e) => e.outerHTML.slice(0, 120))"""
STILL = "* { animation: none !important; scroll-behavior: auto !important; transition: none !important }"


def test_what_has_the_focus_is_seen(browser, site):
    for page in visits.pages(site):
        with opened(browser, (site / page).as_uri(), width=375, reduced_motion="reduce") as tab:
            tab.add_style_tag(content=STILL)
            for width in (375, 800, 1280):
                tab.set_viewport_size({"width": width, "height": 800})
                tab.evaluate(visits.SETTLED)
                assert tab.evaluate(STRAY) == [], (page, width)


def test_what_would_take_the_focus_unseen_is_found(browser):
    with opened(browser) as tab:
        tab.set_content(
            "<a href='#'>seen</a> <button inert>no stop</button> <button style='visibility: hidden'>nor this</button>"
            "<div style='position: fixed; left: 100%; visibility: hidden'>"
            "<a href='#'>no stop</a> <a href='#' style='visibility: visible'>1</a></div>"
            "<button style='position: absolute; left: -999px'>2</button>"
            "<a href='#' style='height: 0; overflow: hidden; position: absolute; width: 0'>3</a>"
        )
        assert len(tab.evaluate(STRAY)) == 3


UNMARKED = """() => [...document.querySelectorAll("*")].filter((e) => e.tabIndex >= 0).filter((e) => {
  e.focus();
  const mark = e.matches("[type=radio]") ? e.nextElementSibling : e; // which lies over it
  const { outlineStyle, outlineWidth } = getComputedStyle(mark);
  return document.activeElement === e && (outlineStyle === "none" || !parseFloat(outlineWidth));
}).map((e) => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("width", [375, 1280])
def test_the_focus_is_seen_with_the_readers_own_colours(browser, sample, width):
    page = (sample.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, page, width, forced_colors="active") as tab:
        for toggle in (None, "primary", "secondary"):
            if toggle and width == 375:
                tab.locator(f"button.{toggle}-toggle").click()
            tab.keyboard.press("Tab")  # the keyboard is in use
            assert tab.evaluate(UNMARKED) == []
            if toggle and width == 375:
                tab.locator(f".bd-sidebar-{toggle} a").first.press("Escape")


FORBIDDEN = {
    "denied": "get() { throw new DOMException('denied', 'SecurityError') }",
    "absent": "get: () => null",
}


@pytest.mark.parametrize("get", FORBIDDEN.values(), ids=FORBIDDEN)
def test_where_storage_is_forbidden_the_buttons_work_and_nothing_complains(browser, sample, get):
    complaints = []
    with opened(browser, width=375) as tab:
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        for name in ("localStorage", "sessionStorage"):
            tab.add_init_script(f"Object.defineProperty(window, '{name}', {{ {get} }})")
        tab.goto((sample.root / "_build" / "html" / "notebooks" / "small.html").as_uri(), wait_until="networkidle")
        themes = set()
        for _ in range(3):
            themes.add(tab.locator("html").get_attribute("data-theme"))
            tab.locator(".theme-switch-button:visible").first.click()
        assert themes == {"light", "dark"}
        tab.locator(".code-switch").click()
        assert tab.locator("details.hide pre").last.is_visible()
        tab.reload(wait_until="networkidle")
        assert not tab.locator("details.hide pre").last.is_visible()  # not remembered
        tab.locator("button.primary-toggle").click()
        tab.locator(".bd-sidebar-primary a", has_text="Verdicts").click()
        tab.wait_for_url("**/verdicts.html")
    assert complaints == []


def test_a_tooltip_comes_by_pointer_and_keyboard_and_not_after_a_tap(browser, sample):
    page = (sample.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    with opened(browser, page, width=375, has_touch=True, is_mobile=True) as tab:
        says = "e => getComputedStyle(e, '::after').display"
        assert tab.locator(".copybtn").first.evaluate(says) == "none"
        shown = tab.locator(".tooltip")
        for button in tab.locator("main button[data-bs-toggle=tooltip]:visible").all():
            button.tap()
            tab.wait_for_timeout(900)  # the theme waits for half a second
            assert shown.count() == 0
            tab.locator("html").press("Escape")
            tab.evaluate(
                "document.querySelectorAll('input.sidebar-toggle').forEach((e) => e.checked && e.click());"
                "document.activeElement.blur()"
            )
        button = tab.locator(".theme-switch-button:visible").first
        button.hover()
        shown.wait_for()
        tab.mouse.move(5, 500)
        shown.wait_for(state="detached")
        button.focus()
        tab.keyboard.press("Shift+Tab")
        tab.keyboard.press("Tab")
        shown.wait_for()


@pytest.mark.parametrize(
    ("head", "repaired"),
    [
        ('<th class="head"></th>', True),
        ('<th class="head stub"><p></p></th>', True),
        ("<th></th>", True),  # of a data frame
        ('<th colspan="2" halign="left">\n  </th>', True),
        ("<th>&nbsp;</th>", True),
        ("<thead></thead>", False),
        ('<th class="head"><p>words</p></th>', False),
    ],
)
def test_a_head_that_is_empty_is_none(head, repaired):
    context = {"body": f"<table><tr>{head}<th>b</th></tr></table>"}
    accessible.repair(None, "", "", context, None)
    assert (head not in context["body"]) == repaired
    assert "<th>b</th>" in context["body"] and context["body"].count("<td") == repaired
    assert ('colspan="2"' in context["body"]) == ("colspan" in head)


def test_a_formula_in_a_head_is_words_to_screen_readers():
    set_ = '<span class="math notranslate nohighlight" data-tex="1/\\sqrt{d_k}"><mjx-container>…</mjx-container></span>'
    head = f'<th class="head"><p>by {set_} “%s”</p></th>'
    body = f"<table><thead><tr><th>a</th>{head % 'x'}{head % 'y'}</tr></thead><tr><td>\\(z\\)</td></tr></table>"
    context = {"body": body}
    accessible.repair(None, "", "", context, None)
    page = BeautifulSoup(context["body"], "html.parser")
    assert len(page.select("[aria-hidden=true] > .math")) == len(page.select(".math")) == 2  # it is still seen
    for hidden in page.select("[aria-hidden=true]"):
        hidden.extract()
    assert [each.text for each in page.select("th, td")] == ["a", "by 1/√d_k “x”", "by 1/√d_k “y”", "\\(z\\)"]


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
