"""The search: twenty questions that a reader would type, and the pages that answer them.

The questions, the pages and both thresholds were written down before any search was measured.
"""

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


def test_there_are_twenty_questions():
    assert len(QUESTIONS) == 20
