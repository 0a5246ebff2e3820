"""Observers that want every layer by itself, and those that watch what really runs."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import viz
from tinygrad_cnn.core.modes import LAYERED, MODE, OBSERVED, Event


def watch(event: Event) -> None:
    """Sees nothing."""


def flags() -> int:
    return MODE.flags & (OBSERVED | LAYERED)


def test_an_observer_sees_layers_unless_it_says_otherwise() -> None:
    assert flags() == 0
    with tg.observe(watch):
        assert flags() == OBSERVED | LAYERED
    with tg.observe(watch, layers=False):
        assert flags() == OBSERVED
    assert flags() == 0


def test_one_that_wants_layers_decides_while_it_watches() -> None:
    with tg.observe(watch, layers=False):
        with tg.observe(watch):
            assert flags() == OBSERVED | LAYERED
            with tg.observe(watch, layers=False):
                assert flags() == OBSERVED | LAYERED
            assert flags() == OBSERVED | LAYERED
        assert flags() == OBSERVED
    assert flags() == 0


def test_a_drawing_wants_layers_and_a_profile_does_not() -> None:
    with viz.record():
        assert flags() == OBSERVED | LAYERED
    with tg.profile():
        assert flags() == OBSERVED


def test_exceptions_and_other_modes_leave_the_flags_as_they_were() -> None:
    with tg.observe(watch, layers=False), tg.no_grad():
        with pytest.raises(ZeroDivisionError), tg.observe(watch):
            raise ZeroDivisionError
        assert flags() == OBSERVED
        assert not tg.is_grad_enabled()
    assert flags() == 0
    assert tg.is_grad_enabled()


def test_a_mode_that_ends_after_the_observer_does_not_bring_it_back() -> None:
    silent, watching = tg.no_grad(), tg.observe(watch)
    watching.__enter__()
    silent.__enter__()
    watching.__exit__(None, None, None)
    silent.__exit__(None, None, None)
    assert flags() == 0


def test_what_a_callback_runs_is_neither_reported_nor_layered() -> None:
    seen: list[int] = []
    with tg.observe(lambda event: seen.append(flags())):
        tg.tensor([1.0]) * 2
    assert seen == [0]
