"""The frameworks that train the same workloads; a module each, imported only in the peer's own process.

A module has `build(workload, arrays, **options)`, which gives a function that makes one training step and returns its
loss when all its work is done, and `versions()`. It raises LeftOut where the framework lacks an operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OURS = "ours"
TORCH = ("torch-eager", "torch-channels-last", "torch-compile")


@dataclass(frozen=True)
class Peer:
    """A framework with its options, and the environment it wants."""

    title: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


PEERS = {
    OURS: Peer("tinygrad_cnn", "ours"),
    "ours-numpy": Peer("tinygrad_cnn, NumPy kernels", "ours", environment={"TINYGRAD_CNN_KERNELS": "numpy"}),
    "torch-eager": Peer("PyTorch eager", "torch_peer"),
    "torch-channels-last": Peer("PyTorch channels-last", "torch_peer", {"channels_last": True}),
    "torch-compile": Peer("PyTorch compile", "torch_peer", {"channels_last": True, "compiled": True}),
    "jax": Peer("JAX jit", "jax_peer"),
    "mygrad": Peer("MyGrad", "mygrad_peer"),
    "dezero": Peer("DeZero", "dezero_peer"),
    "tinygrad": Peer("tinygrad", "tinygrad_peer", environment={"TRAINING": "1"}),
}


def chosen(names: list[str]) -> list[str]:
    """Peers by name, or by what several names begin with: `torch` is all three."""
    found: list[str] = []
    for name in names:
        matching = [name] if name in PEERS else [peer for peer in PEERS if peer.startswith(f"{name}-")]
        if not matching:
            raise SystemExit(f"no peer {name!r}; there are {', '.join(PEERS)}")
        found += [peer for peer in matching if peer not in found]
    return found
