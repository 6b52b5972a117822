"""The site without scripts: readable in either theme, and its contents at hand at every width."""

import pytest


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_chapter_leads_to_the_others_and_is_legible(browser, address, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=False
    )
    tab = context.new_page()
    tab.goto(f"{address}notebooks/07_warmup_and_radam.html")
    assert tab.locator("html").get_attribute("data-theme") == "light"  # the one that needs no script
    assert tab.locator(".explorer-still img").first.is_visible()
    assert (
        tab.locator("header button:visible, .bd-header-article button:visible").count() == 0
    )  # none would do anything
    if width == 375:
        tab.get_by_role("link", name="Contents", exact=True).click()
        assert tab.url.endswith("#chapters")
    assert tab.locator(".bd-sidebar-primary a:visible").count() > 9
    tab.locator(".bd-sidebar-primary").get_by_role("link", name="Verdicts").click()
    assert tab.url.endswith("book/verdicts.html")
    context.close()
