from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tinygrad_cnn.viz.descriptions import Description, Gradient, Health, Kind, ModuleEntry
from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.sketches import Flow, Outcome, Sketch

NASTY = 'a"b\\c\\n<d>&amp;\n{e|f};\x00 é×'


class Drawn:
    """A made-up operation: no rules, so no rule text."""

    arity, elementwise, joint_rule = 1, False, None
    differentiable: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name


def outcome(*shape: int) -> Outcome:
    return Outcome(shape, "float32", 1)


def layer(name: str = "linear", health: Health | None = None) -> Description:
    sketch = Sketch()
    x = sketch.add_source("input", "x", outcome(2, 3))
    w = sketch.add_source("parameter", "w", outcome(4, 3))
    b = sketch.add_source("parameter", "b", outcome(4))
    operands = [("x", x), ("w", w), ("b", b)]
    y = sketch.add_call(Drawn(name), operands, outcome(2, 4), (), multiply_adds=24, kept_bytes=2048)
    sketch.add_output(y)
    if health is None:
        return sketch.description("layer")
    found = Gradient(norm=None if health == "nan" else 2.5, health=health)
    return sketch.description("layer", None, Flow({y: found}, {(x, y, "x"): found}))


def test_boxes_are_named_by_what_they_are() -> None:
    dot = Drawing(layer()).dot()
    assert re.findall(r'^ *"(\w+)" \[label=', dot, re.MULTILINE) == ["x", "w", "b", "linear", "output"]
    assert '"x" -> "linear" [label=" 2×3 ", weight=8]' in dot
    assert '"w" -> "linear"\n' in dot
    assert '"linear" -> "b" [dir=back]' in dot  # the bias stands on the right
    assert '{rank=same; "linear"; "w"; "b"}' in dot
    assert dot == Drawing(layer()).dot()


def test_an_operation_says_what_it_costs() -> None:
    box = next(line for line in Drawing(layer()).dot().splitlines() if line.startswith('  "linear" [label'))
    assert re.findall(r">([^<>]+)</", box) == ["linear", "(2, 4) float32", "24 multiply-adds", "keeps 2.05 kB"]


def test_kinds_differ_in_shape_and_in_colour() -> None:
    kinds: list[Kind] = ["input", "parameter", "constant", "operation", "output", "module"]
    looks = []
    for kind in kinds:
        description = layer()
        description["nodes"][0]["kind"] = kind
        line = next(line for line in Drawing(description).dot().splitlines() if line.startswith('  "x" [label'))
        looks.append(line.partition(">>")[2])
    colours = [re.findall(r'fillcolor="(.*?)"', look) for look in looks]
    shapes = [re.sub(r'(fill)?color=".*?"', "", look) for look in looks]
    assert len(set(map(str, colours))) == len(set(shapes)) == len(kinds)


@pytest.mark.parametrize(
    ("health", "look", "words"),
    [
        ("healthy", 'color="#007A5A", style=solid', "gradient 2.5"),
        ("vanishing", 'color="#0072B2", style=dashed', "gradient 2.5, vanishing"),
        ("exploding", 'color="#D55E00", style=bold', "gradient 2.5, exploding"),
        ("zero", 'color="#7A7A7A", style=dotted', "gradient 2.5, zero"),
        ("nan", 'color="#A0006E", style=bold', "gradient NaN"),
    ],
)
def test_gradients_run_back_in_the_colour_of_their_health(health: Health, look: str, words: str) -> None:
    dot = Drawing(layer(health=health)).dot()
    assert f'"linear" -> "x" [constraint=false, {look}, fontcolor=' in dot
    assert f">{words}<" in dot
    assert "constraint" not in Drawing(layer()).dot()


@pytest.mark.parametrize("rich", [True, False])
def test_labels_say_what_was_meant(rich: bool) -> None:
    description = layer(NASTY)
    description["title"] = NASTY
    description["edges"][0].update({"argument": NASTY, "shown": True})
    frame = ModuleEntry(
        path=NASTY,
        parent="",
        kind=NASTY,
        label=NASTY,
        options="",
        parameters=0,
        multiply_adds=0,
        kept_bytes=0,
        collapsed=False,
        copies=1,
        copy_of="",
    )
    description["modules"] = [frame]
    description["nodes"][0].update({"notes": [NASTY], "module": NASTY})
    dot = Drawing(description).dot(rich)
    if rich:
        assert "<b>a&quot;b\\c\\n&lt;d&gt;&amp;amp; {e|f};  é×</b>" in dot
    else:
        assert r'label="a\"b\\c\\n<d>&amp;amp; {e|f};  é×\n(2, 4) float32' in dot
    program = shutil.which("dot")
    if program is None:
        pytest.skip("needs the program dot to read the text back")
    run = subprocess.run([program, "-Tsvg"], input=dot.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    shown = re.sub(r"<title>.*?</title>", "", run.stdout.decode(), flags=re.DOTALL)
    assert shown.count("a&quot;b\\c\\n&lt;d&gt;&amp;amp; {e|f};") == 4  # title, detail, frame, arrow
