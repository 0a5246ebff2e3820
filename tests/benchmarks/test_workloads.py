"""The tables of layers describe networks that run, and the operations found in them have their shapes."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import pytest

import tinygrad_cnn as tg
from benchmarks import peers, workloads
from benchmarks.modules import model
from benchmarks.operations import all_cases, layers_of
from benchmarks.peers import ours
from benchmarks.workloads import CLASSES, SEVEN, VARIANTS, Workload, arrays, named
from tinygrad_cnn import kernels, nn

SMALL = [*VARIANTS, named("note_cnn"), named("batch:3"), named("channels:2"), named("depth:3")]


@pytest.mark.parametrize("workload", SEVEN, ids=lambda workload: workload.name)
def test_the_layers_of_a_table_fit_each_other(workload: Workload) -> None:
    shapes = {name: p.shape for name, p in model(workload, tg, nn).named_parameters()}
    *_, (_, _, last) = layers_of(workload)
    assert last == (workload.batch, CLASSES)
    made = arrays(workload, shapes)
    assert list(made) == ["x", "y", *shapes]
    assert made["x"].shape == workload.shape


@pytest.mark.parametrize("workload", SMALL, ids=lambda workload: workload.name)
def test_a_step_trains(workload: Workload) -> None:
    workload = replace(workload, shape=(4, *workload.shape[1:]))
    with kernels.use("numpy"):
        step = ours.build(workload, arrays(workload, ours.parameter_shapes(workload)))
        first, *_, last = (float(step()) for _ in range(4))
    assert last < first


def test_workloads_and_peers_are_chosen_by_name_and_by_group() -> None:
    assert workloads.chosen(["variants", "lenet", "skip_20"]) == [*VARIANTS, named("lenet")]
    assert named("batch:5").shape == (5, 1, 28, 28)
    assert peers.chosen(["torch", "ours", "torch-eager"]) == [*peers.TORCH, "ours"]
    with pytest.raises(SystemExit, match="no workload 'alexnet'; there are seven, variants, note_cnn"):
        workloads.chosen(["alexnet"])
    with pytest.raises(SystemExit, match="no peer 'caffe'; there are ours"):
        peers.chosen(["caffe"])


def test_the_same_seed_makes_the_same_numbers() -> None:
    workload = named("note_mlp")
    one, other = (arrays(workload, ours.parameter_shapes(workload)) for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)


def test_cases_count_multiply_adds_and_memory() -> None:
    case = all_cases()["conv2d 32: 64x16x16 -> 128, 3x3"]
    assert case.flops == 2 * 32 * 128 * 16 * 16 * 64 * 9
    assert case.floats == 32 * 64 * 256 + 32 * 128 * 256 + 128 * 64 * 9
    assert case.is_wide
    assert case.by_winograd
    assert not all_cases()["conv2d 64: 64x16x16 -> 64, 3x3 s2"].by_winograd
    adam = next(case for name, case in all_cases().items() if name.startswith("Adam"))
    assert adam.floats == 7 * sum(map(prod, adam.inputs))
