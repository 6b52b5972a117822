"""The search: questions that readers type, and the pages that answer them.

The questions, the pages and the thresholds were written down before any search was measured.
"""

import pytest

import visits
from booksite.reader import search
from browser import served
from conftest import ROOT, opened

FIRST, AMONG_THREE = 16, 19  # questions of the twenty whose page must be the first found, and among the first three
QUESTIONS = {
    "temperature": ["02_other_samplers"],
    "Gumbel": ["01_argmax_vs_multinomial", "02_other_samplers"],
    "warmup": ["07_warmup_and_radam"],
    "nucleus sampling": ["02_other_samplers", "glossary"],
    "beam search": ["04_beam_search_vs_sampling"],
    "is beam search better than greedy": ["04_beam_search_vs_sampling"],
    "speculative sampling": ["04_beam_search_vs_sampling"],
    "pointer network": ["03_pointer_networks"],
    "convex hull": ["03_pointer_networks"],
    "why divide by sqrt d_k": ["05_sqrt_n_scaling"],
    "softmax gradient": ["05_sqrt_n_scaling"],
    "GPT-2 initialisation": ["05_sqrt_n_scaling"],
    "Pre-LN vs Post-LN": ["06_pre_ln_vs_post_ln"],
    "vanishing gradient": ["06_pre_ln_vs_post_ln"],
    "RAdam": ["07_warmup_and_radam"],
    "how deep can a transformer be": ["08_going_deep"],
    "DeepNorm": ["08_going_deep"],
    "outlier channels": ["09_late_layers"],
    "repetition in generated text": ["01_argmax_vs_multinomial"],
    "run a notebook myself": ["running"],
}

# As people type them: long and short, with a slip of a letter, in another book's words, in Korean. Of these at least the
# shares below must find a page that answers first, and among the first three. Chapters by their numbers.
SHARE_FIRST, SHARE_AMONG_THREE = 0.75, 0.92
TYPED = {
    "why do we use multinomial instead of argmax": "01",
    "multinomal": "01",
    "difference between argmax and sampling": "01",
    "why does greedy decoding repeat itself": "01",
    "training a model on its own output": "01",
    "should I pick the most likely word or sample": "01",
    "argmax for classification": "01",
    "다항분포": "01",
    "argmax 대신 샘플링을 쓰는 이유": "01",
    "탐욕적 디코딩": "01 04",
    "샘플링": "01 02 04",
    "top-k vs top-p": "02",
    "difference between temperature and top p": "02",
    "temperture": "02",
    "min-p": "02",
    "sampling without replacement": "02 04",
    "온도": "02",
    "뉴클리어스 샘플링": "02",
    "are pointer networks a sampling method": "03",
    "ponter network": "03",
    "travelling salesman": "03",
    "copy words from the input": "03",
    "포인터 네트워크": "03",
    "beem search": "04",
    "does beam search always beat greedy": "04",
    "beam width": "04",
    "빔서치": "04",
    "빔 서치와 샘플링의 차이": "04",
    "why is the most likely sentence empty": "04",
    "likeliest text": "04",
    "speculative decoding with a draft model": "04",
    "1/sqrt n": "05",
    "1/√N": "05",
    "why is attention divided by sqrt(d_k)": "05",
    "variance of dot product attention": "05",
    "GPT-2 initialization of residual layers": "05",
    "어텐션 스코어 스케일링": "05",
    "is Post-LN better than Pre-LN": "06",
    "should layer norm go before or after the residual": "06",
    "prenorm": "06 08",
    "where does the gradient vanish": "06",
    "그래디언트": "06",
    "그레디언트": "06",
    "기울기 소실": "06",
    "레이어 정규화": "06",
    "층 정규화": "06",
    "잔차연결": "05 06 08",
    "do I need learning rate warmup": "07",
    "warm up": "07",
    "Post-LN does not train without warmup": "07",
    "learning rate too high": "07",
    "radam vs adam": "07",
    "웜업": "07",
    "워밍업": "07",
    "training very deep transformers": "08",
    "how many layers can a transformer have": "08",
    "skip connection": "05 06 08",
    "dynamic linear combination of layers": "08",
    "massive activations": "09",
    "which layers can be removed": "09",
    "do later layers have higher dimension": "09",
    "이상치 채널": "09",
    "how do I open this in colab": "running",
    "what does perplexity mean": "glossary 04",
}
# More of them, written with the others, and measured once, when the search was done: 17 of the 22 first and 19 among three,
# fewer than the shares above. Nothing was changed for them since; they must not become fewer than this.
UNSEEN_FIRST, UNSEEN_AMONG_THREE = 0.72, 0.82
UNSEEN = {
    "is argmax bad for text generation": "01",
    "gumbel max trick": "01 02",
    "model collapse from training on own samples": "01",
    "nucleus samplng": "02",
    "what is the best temperature": "02",
    "pointer network vs seq2seq": "03",
    "beam search decoding for translation": "04",
    "joint probabilty of a sentence": "04",
    "빔 크기": "04",
    "square root of the dimension": "05",
    "softmax saturates": "05",
    "초기화": "05",
    "pre norm vs post norm": "06",
    "exploding gradient at the output": "06",
    "학습률": "07",
    "linear warmup schedule": "07",
    "RAdam 웜업": "07",
    "deepnet 1000 layers": "08",
    "rank collapse": "08",
    "attention sink first token": "09",
    "outlier dimensions in the residual stream": "09",
    "run the notebook locally": "running",
}


@pytest.fixture(scope="module")
def address(site):
    with served(site, visits.Pages) as host:
        yield host + visits.FOLDER.lstrip("/")


@pytest.fixture(scope="module")
def searched(address, browser):
    """A tab with the search open, as Ctrl+K opens it."""
    with opened(browser, f"{address}notebooks/07_warmup_and_radam.html", height=2000) as tab:
        tab.keyboard.press("Control+k")
        tab.wait_for_selector("dialog[open] input")
        yield tab


def found(tab, question: str) -> list[dict]:
    """What the dialog shows for a question: the page, the links to its sections, the text of it all.

    What is below its edge is loaded when it is scrolled to.
    """
    tab.fill("dialog[open] input", "")
    tab.wait_for_selector(".pf-result", state="detached")
    tab.fill("dialog[open] input", question)
    tab.wait_for_function(
        "document.querySelector('.pf-result') && !document.querySelector('.pf-result:nth-child(-n + 3)[aria-hidden]')"
    )
    return tab.eval_on_selector_all(
        ".pf-result:not([aria-hidden])",
        """results => results.map((result) => ({
            address: result.querySelector(".pf-result-link").href,
            page: new URL(result.querySelector(".pf-result-link").href).pathname.split("/").pop().replace(".html", ""),
            sections: [...result.querySelectorAll(".pf-heading-link")].map((link) => link.hash),
            text: result.textContent,
        }))""",
    )


def test_questions_find_their_chapters_and_sections(searched, address):
    assert len(QUESTIONS) == 20
    ranks = {}
    for question, pages in QUESTIONS.items():
        results = found(searched, question)
        names = [result["page"] for result in results]
        ranks[question] = next((rank for rank, name in enumerate(names, 1) if name in pages), None)
        assert "bibliography" not in names
        assert all(result["address"].startswith(address) for result in results)
        assert all(section.startswith("#") for result in results for section in result["sections"])
        assert any(result["sections"] for result in results), question
        assert not any(".ipynb .pdf" in result["text"] for result in results)
    assert sum(rank == 1 for rank in ranks.values()) >= FIRST, ranks
    assert sum(rank is not None and rank <= 3 for rank in ranks.values()) >= AMONG_THREE, ranks


@pytest.mark.parametrize(
    ("table", "share_first", "share_among_three"),
    [(TYPED, SHARE_FIRST, SHARE_AMONG_THREE), (UNSEEN, UNSEEN_FIRST, UNSEEN_AMONG_THREE)],
    ids=["typed", "unseen"],
)
def test_questions_as_people_type_them_find_their_pages(searched, table, share_first, share_among_three):
    """Asked as the dialog asks, without waiting for what it shows."""
    found = searched.evaluate(
        """async (questions) => {
          const { search } = PagefindComponents.getInstanceManager().getInstance("default").__pagefind__;
          const addresses = async ({ results }) => Promise.all(results.map(async (result) => (await result.data()).url));
          return Promise.all(questions.map(async (question) => addresses(await search(question))));
        }""",
        list(table),
    )
    ranks = {}
    for (question, pages), addresses in zip(table.items(), found, strict=True):
        answers = tuple(f"/{page}{'_' if page.isdigit() else '.'}" for page in pages.split())
        ranks[question] = next((rank for rank, url in enumerate(addresses, 1) if any(a in url for a in answers)), None)
    first, three = (sum(rank is not None and rank <= most for rank in ranks.values()) for most in (1, 3))
    assert first >= share_first * len(table) and three >= share_among_three * len(table), ranks


def test_the_button_opens_the_search_and_escape_returns_to_it(address, browser):
    with opened(browser, address) as tab:
        complaints = []
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        button = tab.locator(".search-button__button:visible").first
        button.click()
        tab.wait_for_selector("dialog[open] input:focus")
        tab.keyboard.press("Escape")
        tab.wait_for_selector("dialog[open]", state="detached")
        assert button.evaluate("button => button === document.activeElement")
        assert complaints == []


@pytest.fixture
def small(sample, browser):
    """The address of the small book, in a folder, and a tab with a page of it and the search open."""
    with served(sample.root / "_build" / "html", visits.Pages) as host:
        address = f"{host}{visits.FOLDER.lstrip('/')}"
        with opened(browser, f"{address}notebooks/small.html") as tab:
            tab.keyboard.press("Control+k")
            tab.wait_for_selector("dialog[open] input")
            yield address, tab


def test_the_search_works_on_a_small_book_under_a_folder(sample, browser):
    """From the root page and from one in a folder, so that neither rests on where a page lies."""
    with served(sample.root / "_build" / "html", visits.Pages) as host:
        for page in ("", "notebooks/small.html"):
            with opened(browser, f"{host}{visits.FOLDER.lstrip('/')}{page}") as tab:
                tab.keyboard.press("Control+k")
                tab.wait_for_selector("dialog[open] input")
                addresses = [result["address"] for result in found(tab, "probabilities")]
                assert f"{host}{visits.FOLDER.lstrip('/')}book/glossary.html" in addresses


@pytest.mark.parametrize(
    ("question", "pages"),
    {
        "why divide probabilities": ["glossary", "small"],  # one word is on either page, both are on none
        "sofmax": ["glossary", "small"],
        "log odds": ["glossary"],  # as `% also:` has it, and no page
        "로짓은 왜": ["glossary"],
        "the square root of d_k": ["small"],
        "sqrt(d_k)": ["small"],
    }.items(),
)
def test_questions_are_answered_in_any_book(small, question, pages):
    """By what its own glossary and titles say."""
    names = [result["page"] for result in found(small[1], question)]
    assert {*names} >= {*pages}, names


def test_a_quoted_question_asks_for_these_very_words(small):
    _, tab = small
    assert {result["page"] for result in found(tab, '"divide by"')} >= {"small"}
    assert {result["page"] for result in found(tab, '"turns logits"')} == {"glossary"}


def test_nothing_of_the_search_is_loaded_before_it_is_opened(sample, browser):
    with served(sample.root / "_build" / "html", visits.Pages) as host, opened(browser) as tab:
        asked = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(f"{host}{visits.FOLDER.lstrip('/')}notebooks/small.html", wait_until="networkidle")
        search_files = lambda: [url for url in asked if "/pagefind" in url or "questions.js" in url]
        assert search_files() == []
        tab.keyboard.press("Control+k")
        tab.wait_for_selector("dialog[open] input")
        assert search_files()


def test_a_hit_on_the_page_that_is_open_closes_the_search_and_goes_there(small):
    address, tab = small
    found(tab, "a section of its own")
    link = tab.locator('.pf-heading-link[href*="small.html#a-section"]').first
    link.click(modifiers=["Control"])  # in another tab
    assert tab.locator("dialog[open]").count() == 1
    link.click()
    tab.wait_for_selector("dialog[open]", state="detached")
    tab.wait_for_url(f"{address}notebooks/small.html#a-section*")
    tab.wait_for_function("document.querySelector(location.hash).getBoundingClientRect().top < innerHeight")


def test_enter_goes_to_the_first_result(small):
    """Also of what has just been typed, and where that is the page that is open."""
    address, tab = small
    field = tab.locator("dialog[open] input")
    field.fill("")
    field.press("Enter")
    field.fill("qqqq")
    field.press("Enter")
    first = found(tab, "probabilities")[0]["address"]
    assert first != tab.url
    field.fill("")
    field.fill("probabilities")
    field.press("Enter")
    tab.wait_for_url(first)
    tab.wait_for_load_state("networkidle")
    tab.keyboard.press("Control+k")
    field.fill("probabilities")
    field.press("Enter")
    tab.wait_for_selector("dialog[open]", state="detached")
    assert tab.url == first


@pytest.mark.parametrize("label", ["Clear", "지우기", "Tyhjennä"])  # as Pagefind has it in other languages
@pytest.mark.parametrize("width", visits.WIDTHS)
def test_what_is_typed_ends_before_the_button_that_clears_it(small, width, label):
    _, tab = small
    tab.set_viewport_size({"width": width, "height": 800})
    tab.evaluate("label => { document.querySelector('.pf-input-clear').textContent = label }", label)
    tab.fill("dialog[open] input", "why does a model not train " * 9)
    tab.wait_for_selector(".pf-input-clear:visible")
    typed, button = tab.evaluate(
        """() => {
          const field = document.querySelector(".pf-input"), { paddingRight } = getComputedStyle(field);
          return [field.getBoundingClientRect().right - parseFloat(paddingRight),
                  document.querySelector(".pf-input-clear").getBoundingClientRect().left];
        }"""
    )
    assert typed < button


def test_the_names_of_terms_stand_in_the_glossary():
    source = "% Text.\n\n:::{glossary}\nbeam search\n  Keeps *b* texts.\n  % also: beam, 빔 서치\n\nmode\n  The peak.\n:::\n\nEnd.\n"
    assert search.names(source) == [["beam search", "beam", "빔 서치"], ["mode"]]
    table = search.table([source], ["A second Title"], ["Of a beam-search, and the Beam."])
    assert table["terms"][0] == {"names": ["beam search", "beam", "빔 서치"], "used": ["beam search", "beam"]}
    assert table["terms"][1]["used"] == ["mode"]  # also where it is on no page
    assert {"beam", "search", "title", "second"} <= {*table["words"]}


def test_each_name_is_one_terms():
    terms = search.names((ROOT / "book" / "glossary.md").read_text(encoding="utf-8"))
    names = [search.letters(name) for term in terms for name in {search.letters(name) for name in term}]
    assert sorted(names) == sorted(set(names))


def test_names_are_found_however_they_are_written(searched, address):
    found_in = """async ([address, name, question]) => {
      const { pattern } = await import(`${address}_static/questions.js`);
      return question.replace(pattern(name), "_");
    }"""
    for name, question, left in [
        ("warm-up", "warmup or warm up or Warm-ups", "_ or _ or _"),
        ("beam search", "beam-search, beamsearch", "_, _"),
        ("mode", "models in mode", "models in _"),
        ("Wright–Fisher drift", "wright fisher drift", "_"),
        ("빔 서치", "빔서치와 빔 서치에서 뭐", "_ _ 뭐"),
        ("서치", "빔서치", "빔서치"),
        ("1/√N (a)", "1/√N (a)", "_"),
    ]:
        assert searched.evaluate(found_in, [address, name, question]) == left


def test_one_slip_makes_words_near(searched, address):
    near = "async ([address, ...words]) => (await import(`${address}_static/questions.js`)).near(...words)"
    for pair in ["beam beem", "temperature temperture", "token tokenn", "search saerch", "aa aaa", "mode mode"]:
        assert searched.evaluate(near, [address, *pair.split()]), pair
    for pair in ["beam beeem", "search shcrea", "token tkoenn", "mode mdeo"]:
        assert not searched.evaluate(near, [address, *pair.split()]), pair


def test_formulas_read_as_text():
    assert search.plain(r"1/\sqrt{d_k}") == "1/√d_k"
    assert search.plain(r"\text{softmax}_j") == "softmax_j"
    assert search.plain(r"\frac{a}{b}") == "…"


def test_formulas_are_found_as_a_reader_would_type_them(sample):
    prose = search.prose(sample.page("notebooks/small"))
    assert "Divide by √d_k, " in " ".join(prose.text.split())
