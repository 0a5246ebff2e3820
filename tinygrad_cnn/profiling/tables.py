"""A profile as text: a line for each row, and what is left of the time, so that the shares add up to 100 %."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.profiling.rows import Row

_MEGA = 1e6
_HEADER = ("pass", "calls", "ms", "%", "GFLOP/s", "moved MB", "allocated MB")
_WIDEST_NAME = 60


def table(title: str, rows: Sequence[Row], total: Row, profiler_seconds: float) -> str:
    """`rows` under `title`, then the time between them, that of the profiler itself, and the `total` of the block."""
    with_peak = total.peak is not None
    between = total.seconds - profiler_seconds - sum(row.seconds for row in rows)
    lines = [
        (title, *_HEADER, *(["peak MB"] if with_peak else [])),
        *(_cells(row, row.direction, with_peak) for row in rows),
        _time("between operations", between, total.seconds),
        _time("the profiler itself", profiler_seconds, total.seconds),
        _cells(total, "", with_peak),
    ]
    columns = len(lines[0])
    lines = [(*line, *[""] * (columns - len(line))) for line in lines]
    widths = [max(len(line[i]) for line in lines) for i in range(columns)]
    return "\n".join(_line(line, widths) for line in lines)


def _cells(row: Row, direction: str, with_peak: bool) -> tuple[str, ...]:
    name = row.name if len(row.name) <= _WIDEST_NAME else f"{row.name[: _WIDEST_NAME - 3]}..."
    peak = ["-" if row.peak is None else _figure(row.peak / _MEGA)] if with_peak else []
    speed = _figure(row.gflops_per_second)
    moved, allocated = _figure(row.bytes / _MEGA), _figure(row.allocated / _MEGA)
    return (name, direction, f"{row.calls:,}", *_times(row.seconds, row.share), speed, moved, allocated, *peak)


def _time(name: str, seconds: float, total_seconds: float) -> tuple[str, ...]:
    return (name, "", "", *_times(seconds, seconds / total_seconds if total_seconds else 0.0))


def _times(seconds: float, share: float) -> tuple[str, str]:
    return f"{seconds * 1e3:,.2f}", f"{share * 100:.1f}"


def _figure(number: float) -> str:
    """With three digits or so; a dash for nothing.

    Example:
        >>> [_figure(number) for number in (0, 0.0123, 45.678, 1234.5)]
        ['-', '0.012', '45.7', '1,234']
    """
    if not number:
        return "-"
    return f"{number:.3f}" if number < 1 else f"{number:.2f}" if number < 10 else f"{number:,.{int(number < 100)}f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join([*left, *right]).rstrip()
