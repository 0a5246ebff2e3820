from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tinygrad_cnn.viz.drawing import Drawing, Frame, letters

NASTY = 'a"b\\c\\n<d>&amp;\n{e|f};\x00 é×'
NET, LAYER = Frame(0, "Net"), Frame(1, "layer: Linear")


def node_lines(dot: str) -> list[str]:
    return re.findall(r'^ *("?[A-Z]+"?) \[label=', dot, re.MULTILINE)


def arrow_lines(dot: str) -> list[tuple[str, str]]:
    return re.findall(r'^ *("?[A-Z]+"?) -> ("?[A-Z]+"?)', dot, re.MULTILINE)


def layer() -> Drawing:
    drawing = Drawing()
    x = drawing.add_box("input", "x", ("(2, 3)",))
    w = drawing.add_box("parameter", "layer.weight", ("(4, 3)",), place=None)
    b = drawing.add_box("parameter", "layer.bias", ("(4,)",), place=None)
    y = drawing.add_box("operation", "linear", ("(2, 4)",), place=(NET, LAYER))
    for source in (x, w, b):
        drawing.add_arrow(source, y)
    drawing.add_arrow(y, drawing.add_box("output", "output"))
    return drawing


def test_boxes_are_named_in_order_of_appearance() -> None:
    dot = layer().dot()
    assert sorted(node_lines(dot)) == ["A", "B", "C", "D", "E"]
    assert arrow_lines(dot) == [("A", "D"), ("B", "D"), ("D", "C"), ("D", "E")]  # the bias stands on the right
    assert "D -> C [dir=back]" in dot
    assert dot == layer().dot()


def test_parameters_stand_in_the_frame_of_the_operation_that_uses_them() -> None:
    dot = layer().dot()
    outer, _, inner = dot.partition("subgraph cluster_B")
    assert "<b>Net</b>" in outer
    assert "<b>layer: Linear</b>" in inner
    assert "layer.weight" in inner
    assert "{rank=same; D; B; C}" in inner
    assert "A [label" in outer
    assert dot.count("{") == dot.count("}")


def test_a_parameter_of_two_layers_stands_in_the_frame_around_both() -> None:
    drawing = Drawing()
    w = drawing.add_box("parameter", "shared", place=None)
    for number in (1, 2):
        drawing.add_arrow(w, drawing.add_box("operation", "mul", place=(NET, Frame(number, f"layer {number}"))))
    before_the_layers = drawing.dot().partition("layer 1")[0]
    assert "shared" in before_the_layers
    assert "<b>Net</b>" in before_the_layers
    assert drawing.dot().count("shared") == 1


def test_names_count_like_the_columns_of_a_spreadsheet() -> None:
    assert [letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


@pytest.mark.parametrize("rich", [True, False])
def test_labels_say_what_was_meant(rich: bool) -> None:
    drawing = Drawing()
    source = drawing.add_box("operation", NASTY, (NASTY,), place=(Frame(0, NASTY),))
    drawing.add_arrow(source, drawing.add_box("output", "output"), NASTY)
    dot = drawing.dot(rich)
    if rich:
        assert "<b>a&quot;b\\c\\n&lt;d&gt;&amp;amp; {e|f};  é×</b>" in dot
    else:
        assert r'label="a\"b\\c\\n<d>&amp;amp; {e|f};  é×\na\"b' in dot
    program = shutil.which("dot")
    if program is None:
        pytest.skip("needs the program dot to read the text back")
    run = subprocess.run([program, "-Tsvg"], input=dot.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    assert run.stdout.decode().count("a&quot;b\\c\\n&lt;d&gt;&amp;amp; {e|f};") == 4  # title, detail, frame, arrow
