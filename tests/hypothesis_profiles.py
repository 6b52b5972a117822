"""How many examples Hypothesis tries: a few that are always the same, or `weekly` many that are always others.

The profile is the one that HYPOTHESIS_PROFILE or --hypothesis-profile names, and `ci` without them. In none does
a clock decide, since a busy machine would fail what is right.
"""

import os

from hypothesis import HealthCheck, settings

no_clock = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", no_clock, max_examples=20, derandomize=True)
settings.register_profile("weekly", no_clock, max_examples=300, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
