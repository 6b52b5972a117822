"""The proof: does a claim notice a mistake, and does it hold under other random numbers and on other machines?

faults         what is planted, one at a time
runner         runs the chapters with faults, under other base seeds and settings, and on other machines
results        what they found, one line of results.jsonl each, and which lines still count
stamps         a hash of the code that a result belongs to
page           how the page "How we know" shows them

`python book/proof all` runs what is missing; it needs the folders `book` and `notebooks` on Python's path, which
__main__ sees to.
"""
