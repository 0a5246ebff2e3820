"""The parity suite needs PyTorch (extra `parity`); without it there is nothing to collect here.

With PARITY_TABLE=FILE it writes down, at the end, what was compared:

    PARITY_TABLE=tests/parity/TABLE.md pytest tests/parity --numprocesses=0
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["*.py"]

HEAD = """# What is held against PyTorch

Written by the parity suite itself (see `conftest.py` beside this file). Hypothesis draws the inputs and options; a case
is one comparison of values (order 0), of first derivatives (1) or of derivatives of these (2).

| operation | options drawn | cases | orders |
| --- | --- | ---: | --- |
"""


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = os.environ.get("PARITY_TABLE")
    if path and not hasattr(session.config, "workerinput"):
        Path(path).write_text(HEAD + "".join(_rows()), "utf-8")


def _rows() -> list[str]:
    from tests.parity.comparing import CASES

    options: dict[str, set[str]] = defaultdict(set)
    orders: dict[str, set[str]] = defaultdict(set)
    cases: Counter[str] = Counter()
    for (operation, option, order), count in CASES.items():
        options[operation].update(part.strip() for part in option.split(",") if part.strip())
        cases[operation] += count
        orders[operation].add(str(order))
    return [
        f"| `{name}` | {_listed(options[name])} | {cases[name]:,} | {_listed(orders[name])} |\n"
        for name in sorted(cases)
    ]


def _listed(words: set[str]) -> str:
    return ", ".join(sorted(words)).replace("|", "\\|")
