"""What stands on a chapter's built page, measured in a browser: python tests/measure/anatomy.py [SITE]

Prints a table for each width, of all chapters of the built site (by default _build/html).
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

sys.path.append(str(Path(__file__).parents[1]))
from browser import chromium, served  # noqa: E402

WIDTHS, SCREEN = (1280, 375), 800  # CSS pixels

# Runs in the page. Words are those of the prose: no code, no output, no folded solution, a formula is one word.
MEASURE = """() => {
  const article = document.querySelector("article");
  const top = (element) => element.getBoundingClientRect().top - article.getBoundingClientRect().top;
  const shown = (element) => element.checkVisibility() && element.getBoundingClientRect().height > 0;
  const code = [...article.querySelectorAll("div.cell_input, div.cell details.hide, div.highlight")]
    .filter((block) => !block.parentElement.closest("div.cell_input, div.highlight"));
  const open = code.filter((block) => block.matches(":not(details)") && shown(block) && !block.closest("details:not([open])"));
  const blocks = open.filter((block) => block.matches("div.cell_input"));
  const figure = [...article.querySelectorAll("figure, .explorer, div.cell_output img, div.cell_output svg")].find(shown);
  const height = article.getBoundingClientRect().height;

  const prose = article.cloneNode(true);
  prose.querySelectorAll("mjx-container, .math").forEach((formula) => formula.replaceWith(" formula "));
  prose.querySelectorAll("div.cell, .solution, .toc, .headerlink, .prev-next-area, details, script, style").forEach((e) => e.remove());
  const count = (text) => (text.match(/\\S*[\\p{L}\\p{N}]\\S*/gu) || []).length;
  const words = count(prose.textContent);
  const end = [...prose.querySelectorAll("p")].find((p) => p.textContent.startsWith("The answer is complete here."));
  let path = null;
  if (end) {
    const range = document.createRange();
    range.setStart(prose, 0);
    range.setEndBefore(end);
    path = count(range.toString());
  }
  const short = [...prose.querySelectorAll("p")].find((p) => p.textContent.startsWith("The short answer."));

  // cut off: wider than its box, which neither wraps nor scrolls; and code that scrolls without a visible hint
  const cut = [...article.querySelectorAll("pre, mjx-container[display=true], table, svg, .explorer")].filter(shown).filter((e) => {
    let box = e;
    while (box !== article && !["auto", "scroll"].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
    const right = e.getBoundingClientRect().left + e.scrollWidth;
    if (box === article) return right > article.getBoundingClientRect().right + 2;
    return e.matches("pre") && e.scrollWidth > e.clientWidth + 1;
  }).length;
  return {
    height: Math.round(document.documentElement.scrollHeight),
    open_code: open.filter((b) => !open.some((o) => o !== b && o.contains(b))).reduce((sum, b) => sum + b.getBoundingClientRect().height, 0) / height,
    blocks_before_figure: blocks.filter((b) => figure && top(b) < top(figure)).length,
    screens_to_figure: figure ? figure.getBoundingClientRect().top / SCREEN : null,
    short_answer: short ? count(short.textContent) - 3 : null,
    path, words, cut,
  };
}""".replace("SCREEN", str(SCREEN))


def measure(tab: Page) -> dict:
    """The anatomy of the chapter that is open in `tab`: heights in CSS pixels, shares, counts; None for what is missing."""
    return tab.evaluate(MEASURE)


def table(browser: Browser, address: str, chapters: list[str], width: int) -> dict[str, dict]:
    """The anatomy of each chapter at one width."""
    tab = browser.new_page(viewport={"width": width, "height": SCREEN})
    found = {}
    for chapter in chapters:
        tab.goto(f"{address}notebooks/{chapter}.html", wait_until="networkidle")
        found[chapter] = measure(tab)
    tab.close()
    return found


if __name__ == "__main__":
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "_build/html")
    chapters = sorted(path.stem for path in (site / "notebooks").glob("*.html"))
    with chromium() as browser, served(site) as address:
        if browser is None:
            sys.exit("this needs Chromium")
        for width in WIDTHS:
            rows = table(browser, address, chapters, width)
            print(f"\n{width} px", *next(iter(rows.values())), sep="  ")
            for chapter, row in rows.items():
                cells = [f"{v:.2f}" if isinstance(v, float) else "-" if v is None else str(v) for v in row.values()]
                print(f"{chapter[:24]:24}", *(f"{cell:>8}" for cell in cells))
