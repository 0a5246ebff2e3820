"""A summary to look at: as text, as a table of rich, as HTML. All three have the same cells."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.nn.misfits import by
from tinygrad_cnn.optional import require
from tinygrad_cnn.viz.layer_rows import LayerRow

if TYPE_CHECKING:
    from tinygrad_cnn.viz.summaries import Summary

_LEFT = ("layer", "kind")
_HEADER = (*_LEFT, "kernel", "stride", "padding", "output", "parameters", "multiply-adds", "activations", "sees")
_UNITS = ("B", "kB", "MB", "GB", "TB")

# Colours come from the page, so that it reads in the light and in the dark.
_STYLE = """\
.tinygrad-cnn-summary { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.tinygrad-cnn-summary caption { text-align: left; font-weight: bold; padding: 0.3em 0; }
.tinygrad-cnn-summary th, .tinygrad-cnn-summary td { padding: 0.15em 0.7em; text-align: right; white-space: nowrap; }
.tinygrad-cnn-summary .left { text-align: left; }
.tinygrad-cnn-summary thead th { border-bottom: 1px solid currentColor; }
.tinygrad-cnn-summary .unread td { text-align: left; white-space: normal; }
.tinygrad-cnn-summary .unread span { border-left: 3px solid #D55E00; padding-left: 0.5em; }
.tinygrad-cnn-summary tfoot tr:first-child > * { border-top: 1px solid currentColor; }
.tinygrad-cnn-summary tfoot th { font-weight: normal; white-space: pre; }
"""


def as_text(summary: Summary) -> str:
    """A line for each row, those that leave something unread with a warning below, and the totals."""
    lines = [_HEADER, *(_cells(row, summary.model) for row in summary.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
    text = [_title(summary), "", _line(_HEADER, widths)]
    for row, cells in zip(summary.rows, lines[1:], strict=True):
        text.append(_line(cells, widths))
        if row.mend:
            text.append(f"  ^ {_warning(row)}")
    return "\n".join([*text, "", *_aligned(_totals(summary))])


def as_rich(summary: Summary) -> Any:
    """The same as a table of rich, which fits itself to the terminal. Raises: MissingDependencyError without rich."""
    group, table_of, text = (
        require(module, feature="Summary.__rich__", extra="viz")
        for module in ("rich.console", "rich.table", "rich.text")
    )
    table = table_of.Table(
        title=_title(summary), title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold", pad_edge=False
    )
    for name in _HEADER:
        table.add_column(name, justify="left" if name in _LEFT else "right", overflow="fold")
    for row in summary.rows:
        table.add_row(*map(text.Text, _cells(row, summary.model)), style="yellow" if row.mend else None)
    warned = [row for row in summary.rows if row.mend]
    warnings = [text.Text(f"{row.path or summary.model}: {_warning(row)}", style="yellow") for row in warned]
    return group.Group(table, *warnings, *map(text.Text, ["", *_aligned(_totals(summary))]))


def as_html(summary: Summary) -> str:
    """The same as one HTML table, with the colours of the page that it stands in."""
    head = "".join(f'<th scope="col"{_side(name)}>{name}</th>' for name in _HEADER)
    body = "\n".join(_html_row(row, summary.model) for row in summary.rows)
    foot = "\n".join(
        f'<tr><th scope="row" class="left" colspan="2">{html.escape(name)}</th>'
        f'<td class="left" colspan="{len(_HEADER) - 2}">{html.escape(text)}</td></tr>'
        for name, text in _totals(summary)
    )
    return (
        f'<style>\n{_STYLE}</style>\n<table class="tinygrad-cnn-summary">\n'
        f"<caption>{html.escape(_title(summary))}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n<tfoot>\n{foot}\n</tfoot>\n</table>"
    )


def _html_row(row: LayerRow, model: str) -> str:
    cells = zip(_HEADER, _cells(row, model), strict=True)
    line = "<tr>" + "".join(f"<td{_side(name)}>{html.escape(text)}</td>" for name, text in cells) + "</tr>"
    if row.mend:
        line += f'\n<tr class="unread"><td colspan="{len(_HEADER)}"><span>{html.escape(_warning(row))}</span></td></tr>'
    return line


def _side(name: str) -> str:
    return ' class="left"' if name in _LEFT else ""


# ---- what stands in the cells


def _title(summary: Summary) -> str:
    inputs = ", ".join(map(by, summary.input_shapes))
    return f"{summary.model}, input {inputs}, batch of {summary.batch_size:,}"


def _cells(row: LayerRow, model: str) -> tuple[str, ...]:
    window = ("", "", "")
    if row.kernel is not None and row.stride is not None and row.padding is not None:
        window = _times(row.kernel), _short(row.stride), _short(row.padding)
    repeated = "shared" if row.is_repeated else ""
    return (
        row.path or model,
        f"{row.kind}()" if row.is_operation else row.kind,
        *window,
        ", ".join(map(by, row.outputs)),
        f"{row.parameters:,}" if row.parameters else repeated,
        f"{row.multiply_adds:,}" if row.multiply_adds else "",
        amount(row.activation_bytes) if row.activation_bytes else "",
        _times(row.receptive_field) if row.receptive_field else "",
    )


def _warning(row: LayerRow) -> str:
    """What a stride leaves unread, and the mend."""
    pixels = row.unread or ()
    names = ("row", "column") if len(pixels) == 2 else ("element",)
    lost = [f"{n} {name}{'s' * (n > 1)}" for n, name in zip(pixels, names, strict=True) if n]
    return f"{', '.join(lost)} unread: {row.mend}"


def _totals(summary: Summary) -> Iterator[tuple[str, str]]:
    totals = summary.totals
    frozen = "" if totals.trainable == totals.parameters else f", {totals.trainable:,} of them trainable"
    unused = f", {totals.unused:,} of them in no layer above" if totals.unused else ""
    yield "parameters", f"{totals.parameters:,}{frozen}{unused}"
    yield "multiply-adds", f"{totals.multiply_adds:,}"
    yield "memory of a training step", amount(totals.training_bytes)
    yield "  parameters and buffers", amount(totals.parameter_bytes)
    yield "  input", amount(totals.input_bytes)
    yield "  forward", amount(totals.forward_bytes)
    yield "  backward, beyond that", amount(totals.backward_bytes)
    yield f"  state of {summary.optimizer}", amount(totals.optimizer_bytes)


def amount(nbytes: int) -> str:
    """Bytes with three digits, in powers of 1,000.

    Example:
        >>> amount(0), amount(999), amount(43_264), amount(1_234_567_890)
        ('0 B', '999 B', '43.3 kB', '1.23 GB')
    """
    size, unit = float(nbytes), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _short(numbers: Sequence[Any]) -> str:
    """One number where both axes have the same.

    Example:
        >>> _short((1, 1)), _short((1, 2)), _short(((0, 1), (0, 1)))
        ('1', '(1, 2)', '(0, 1) each')
    """
    if len(set(numbers)) > 1:
        return str(tuple(numbers))
    return f"{numbers[0]} each" if isinstance(numbers[0], tuple) else str(numbers[0])


def _aligned(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Names on the left, all figures from one column on."""
    pairs = list(pairs)
    wide = max(len(name) for name, _ in pairs)
    return [f"{name:<{wide}}  {text}" for name, text in pairs]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    sides = [str.ljust if name in _LEFT else str.rjust for name in _HEADER]
    return "  ".join(side(cell, width) for side, cell, width in zip(sides, cells, widths, strict=True)).rstrip()
