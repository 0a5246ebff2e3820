"""Every planted fault is caught, named and explained, and the operation without it passes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.testing.planted_faults import FAMILIES, FAULTS
from tests.testing.planting import Array, PlantedFault, in_company
from tinygrad_cnn.testing import GradientMismatch, check_grad
from tinygrad_cnn.testing.probes import Probe


def each(*tags: str) -> pytest.MarkDecorator:
    chosen = [fault for fault in FAULTS if set(tags) <= set(fault.tags)]
    return pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in chosen])


def gradients(fault: PlantedFault, faulty: bool) -> Array:
    """All elements of all gradients, as one vector."""
    probe = Probe(fault.faulty() if faulty else fault.right(), fault.inputs)
    cotangent = np.random.default_rng(5).uniform(0.5, 1.5, probe.evaluate(probe.point).shape)
    with np.errstate(all="ignore"):
        return np.concatenate([gradient.reshape(-1) for gradient in probe.pull(cotangent)])


def test_there_are_enough_of_every_kind() -> None:
    tags = Counter(tag for fault in FAULTS for tag in fault.tags)
    assert len(FAULTS) >= 48
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(len(family) >= 4 for family in FAMILIES.values())
    assert tags["rare"] >= 10
    assert tags["second"] >= 5
    assert tags["geometry"] >= 5
    assert sum(fault.hint != "" for fault in FAULTS) >= 0.9 * len(FAULTS)  # each of these hints is asserted below


@each()
def test_the_right_operation_passes(fault: PlantedFault) -> None:
    assert check_grad(fault.right(), fault.inputs, order=2).ok


@each()
def test_the_fault_is_caught_named_and_explained(fault: PlantedFault) -> None:
    with pytest.raises(GradientMismatch) as caught:
        check_grad(in_company(fault.faulty()), fault.inputs, order=fault.order)
    report = caught.value.report
    assert report.operation == fault.expected_operation()
    assert report.argument.startswith(fault.expected_argument())
    assert fault.hint in report.hint


@each("rare")
def test_rare_faults_show_in_few_elements(fault: PlantedFault) -> None:
    wrong = ~np.isclose(gradients(fault, faulty=True), gradients(fault, faulty=False), rtol=1e-6)
    assert 0 < wrong.mean() < 0.05


@each("second")
def test_faults_of_second_order_pass_at_first(fault: PlantedFault) -> None:
    assert check_grad(fault.faulty(), fault.inputs, order=1).ok


@each("geometry")
def test_faults_of_geometry_pass_at_plain_windows(fault: PlantedFault) -> None:
    assert check_grad(fault.faulty(), fault.plain, order=1).ok
