"""How the whole suite runs: figures without a screen, and how many examples Hypothesis draws."""

from __future__ import annotations

import os

os.environ["MPLBACKEND"] = "Agg"  # before anything imports matplotlib

from hypothesis import HealthCheck, settings

# Examples are not timed: on a busy machine a slow one says nothing about the code.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", untimed, max_examples=20)
settings.register_profile("ci", untimed, max_examples=40, derandomize=True, print_blob=True)
settings.register_profile("thorough", untimed, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))
