"""A small book whose one chapter has, in twelve cells, everything that a chapter can have."""

from conftest import ALT, Book, code, text

STATEMENT = "x is *large*"
VERDICTS = f"""\
# Verdicts

Statements {{cite:p}}`holtzman2020curious`, of which one is here.

:::{{verdicts}}
:::

## Small things

:::{{question}} ../notebooks/small.ipynb
:figure: fig-second

The answer to it.
:::

### N1a: {STATEMENT}

{{verdict}}`holds with a condition` It is, *here*.

:::{{evidence}} N1a N1a.more
:::
"""
INDEX = """\
# A small book

Take {repository}`the whole repository`.

:::{questions} A
:::

:::{claim} N1a
:::

```{bibliography}
```
"""
GLOSSARY = """\
# Glossary

:::{glossary}
softmax
  Turns {term}`logits <logit>` into probabilities: $\\mathrm{e}^z$.

logit
  A number before {term}`softmax`.
:::
"""
OPENING = """\
# Is x large?

No answer.

(short-answer)=
**The short answer.** Divide by $\\sqrt{d_k}$, *always*.

Take {term}`softmaxes <softmax>` {cite:p}`vaswani2017attention,bengio2013straight`, as {cite:t}`radford2019language` do.
The gain is {eval}`run.gain`, see {eval}`figure.dots`, [below](#a-section-of-its-own) and
[there](../book/verdicts.md). Math stays: $a_{i}$.

And N1a, N1a.more. N1a's `N1a`, $N1a$, N10, XN1a and [N1a](../book/verdicts.md).

::::{admonition} Predict
:class: tip
What is *one*?

:::{note}
Inner.
:::
::::

```{warning} Hot
Very.
```

```python
x = {1: 2}
```

| a | b |
|---|---|
| {eval}`run.slope["Pre-LN, 1/√N: a::b"][6]` | {term}`softmax` |
"""
# The definition of a term that is far down lies beside it all the same
CLOSING = (
    "## N1a in a section, of its own\n\n"
    + "Words.\n\n" * 100
    + """\
The {term}`softmax` again.

## A section, of its own

:::{exercise} Two
:label: ex-two
What is $1 + 1$?
:::

:::{solution} ex-two
:class: dropdown
It is {eval}`run.gain`.
:::
"""
)
SETUP = """\
import matplotlib.pyplot as plt
import torch
from lab import claims, contents, explorers, figures
from lab.explorers import dial
from lab.training import tqdm
from lab.values import Values

run, figure = Values(), figures.use("small")"""
KEEP = """\
run.keep(".2f", gain=2, slope={"Pre-LN, 1/√N: a::b": {6: -1}})
for _ in tqdm(range(3)):
    pass
for name in ("N1a", "N1a.more"):
    claims.settle(name, test=lambda x: x > 1, evidence={"seed 3": 2}, control={"seed 3": 0}, says="x", control_says="no x")"""
EXPLORER = f"""\
class Words:
    def decode(self, i):
        return f" w{{int(i)}}"


logits = torch.randn(100, generator=torch.Generator().manual_seed(1))
contexts = [dial.context("one", logits, Words())]
explorers.show("dial", {{"contexts": contexts}}, plt.figure(), alt="{ALT}")"""
WIDE = (
    "a_name_that_is_long = "
    + " + ".join(f"{name}_name_{name}" for name in "abcdefg")
    + "  # a comment to the eightieth"
)
FOLDED = "Assignment of <one> letter"


def fill(book: Book) -> Book:
    """Make a book this one."""
    book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  numbered: 2\n  chapters:\n"
        "  - file: notebooks/small\n- caption: B\n  chapters:\n  - file: book/verdicts\n  - file: book/glossary\n",
    )
    book.write("book/index.md", INDEX)
    book.write("book/verdicts.md", VERDICTS)
    book.write("book/glossary.md", GLOSSARY)
    names = "; ".join(f"{letter}_name_{letter} = 1" for letter in "abcdefg")
    book.notebook(
        "small",
        text(OPENING),
        SETUP,
        'contents.show_statements("small")',
        KEEP,
        code("plt.plot([1, 2]);", "fig-dots", caption="Two dots, {eval}`run.gain`."),
        code("plt.plot([1, 3]);", "fig-second"),
        EXPLORER,
        *(code(f"letter_{letter} = 1", fold=f"{FOLDED} {letter}") for letter in "ab"),
        code(f"{names}\n{WIDE}", fold=f"{FOLDED} c"),
        code("print('the end')", fold="The end"),
        text(CLOSING),
    )
    return book
