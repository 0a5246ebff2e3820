from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tests.viz.described_networks import EVIL, by_hand, described, network
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.viz.pages import page


def test_the_same_computation_gives_the_same_bytes() -> None:
    description = network().description
    assert page(dict(description)) == page(dict(description))
    backwards: dict[str, Any] = dict(reversed(description.items()))
    assert page(backwards) == page(dict(description))


def test_nothing_is_fetched_and_nothing_could_be() -> None:
    document = page(by_hand())
    assert re.findall(r"https?://[^\s\"'`]+", document) == ["http://www.w3.org/2000/svg"]  # a namespace
    assert not re.search(r"<link|\ssrc=|@import|url\((?!#)", document)
    assert "default-src 'none'" in document


def test_html_reads_no_tag_in_the_description() -> None:
    document = page(by_hand(label=EVIL) | {"title": EVIL})
    assert described(document)["nodes"][1]["label"] == EVIL
    assert document.count("</script>") == 2
    assert "<b>" not in document
    assert "<img" not in document


def test_numbers_that_json_lacks_are_left_out() -> None:
    norms = {"norm": float("nan"), "health": "nan"}
    value = {"mean": float("inf"), "std": np.float32(1.23456789), "min": None, "max": 0.0, "not_finite": np.int64(3)}
    node = described(page(by_hand(gradient=norms, value=value)))["nodes"][1]
    assert node["gradient"] == {"health": "nan"}
    assert node["value"] == {"std": 1.2346, "max": 0.0, "not_finite": 3}


def test_a_description_without_edges_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"page: expects a description with nodes and edges, .* without edges"):
        page({"nodes": []})
