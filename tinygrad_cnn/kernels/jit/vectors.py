"""The vector registers of the processor that runs this, from LLVM's own list of its features."""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding


@dataclass(frozen=True, slots=True)
class Registers:
    """count: how many there are. size: bytes in each."""

    count: int
    size: int

    def lanes(self, itemsize: int) -> int:
        """How many numbers of `itemsize` bytes one register holds."""
        return self.size // itemsize


def registers(features: dict[str, bool]) -> Registers:
    """The widest registers that take a fused multiply-add.

    features: LLVM's names, such as avx512f, and whether the processor has them.

    Example:
        >>> registers({"avx512f": True, "avx2": True, "fma": True})
        Registers(count=32, size=64)
        >>> registers({"sse2": True})
        Registers(count=16, size=16)
    """
    if features.get("avx512f"):
        return Registers(32, 64)
    if features.get("avx2") and features.get("fma"):
        return Registers(16, 32)
    if features.get("neon") or features.get("asimd"):
        return Registers(32, 16)
    return Registers(16, 16)


HOST = registers(dict(binding.get_host_cpu_features()))
