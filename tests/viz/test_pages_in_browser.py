from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pytest

from tests.viz.classical_networks import resnet_152
from tests.viz.described_networks import EVIL, by_hand, described, network
from tinygrad_cnn import Tensor, viz
from tinygrad_cnn.viz.pages import page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Open: TypeAlias = "Callable[..., Page]"

WEIGHT = '[data-id="features.0.weight"]'


@pytest.fixture(scope="module")
def document() -> str:
    return network().html()


def labels_of(tab: Page, selector: str) -> list[str]:
    """What a screen reader says of the items."""
    labels: list[str] = tab.eval_on_selector_all(
        selector, "items => items.map(item => item.getAttribute('aria-label'))"
    )
    return labels


def focused(tab: Page) -> str:
    label: str = tab.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.id")
    return label


def view(tab: Page) -> str | None:
    return tab.locator("#graph").get_attribute("transform")


def test_it_opens_with_the_whole_model_in_sight(opened: Open, document: str) -> None:
    tab = opened(document)
    assert tab.title() == "Net"
    shown = labels_of(tab, "#graph .item")
    assert "images, input, 2 by 1 by 6 by 6" in shown
    assert "loss, output" in shown
    assert any(label.startswith("conv2d, operation, 2 by 4 by 6 by 6, in Net.features.0") for label in shown)
    assert "operations\n" in tab.locator("#details").inner_text()
    assert "8 operations" in tab.locator("#status").inner_text()


@pytest.mark.parametrize("means", ["sign", "double click", "keyboard", "button"])
def test_modules_collapse_and_expand(opened: Open, document: str, means: str) -> None:
    tab = opened(document)
    module, inside = tab.locator('[data-path="Net.features"]'), tab.locator(WEIGHT)

    def toggle() -> None:
        if means == "sign":
            tab.locator('[data-heading-of="Net.features"] .toggle, [data-path="Net.features"] .toggle').click()
        elif means == "double click":
            module.dblclick(position={"x": 90, "y": 12})
        elif means == "keyboard":
            module.click(position={"x": 90, "y": 12})
            tab.keyboard.press("Enter")
        else:
            tab.locator("#toggle").click()

    if means == "button":
        module.click(position={"x": 90, "y": 12})
    assert (module.get_attribute("aria-expanded"), inside.count()) == ("true", 1)
    toggle()
    assert (module.get_attribute("aria-expanded"), inside.count()) == ("false", 0)
    assert "features: Sequential, module, 2 operations" in (module.get_attribute("aria-label") or "")
    assert tab.locator("#status").inner_text() == "features: Sequential collapsed"
    toggle()
    assert (module.get_attribute("aria-expanded"), inside.count()) == ("true", 1)


def test_the_module_around_collapses_by_key(opened: Open, document: str) -> None:
    tab = opened(document)
    tab.locator(WEIGHT).click()
    for path in ("Net.features.0", "Net.features"):
        tab.keyboard.press("Shift+Enter")
        module = tab.locator(f'[data-path="{path}"]')
        assert module.get_attribute("aria-expanded") == "false"
        assert focused(tab) == module.get_attribute("aria-label")


def test_all_modules_at_once(opened: Open, document: str) -> None:
    tab = opened(document)
    tab.click("#collapse-all")
    assert tab.locator('#graph [aria-expanded="true"]').count() == 0
    assert tab.locator('[data-path="Net"]').count() == 1
    tab.click("#expand-all")
    assert tab.locator('#graph [aria-expanded="false"]').count() == 0


def test_search_finds_what_is_hidden_and_goes_there(opened: Open, document: str) -> None:
    tab = opened(document)
    tab.click("#collapse-all")
    tab.keyboard.press("/")
    assert focused(tab) == "Search nodes and modules"
    tab.keyboard.type("features weight")
    assert tab.locator("#status").inner_text() == "1 found"
    assert tab.locator("#search").get_attribute("aria-expanded") == "true"
    assert tab.locator('[data-path="Net"].match').count() == 1  # it is in there
    tab.keyboard.press("Enter")
    assert focused(tab).startswith("features.0.weight, parameter, 4 by 1 by 3 by 3, in Net.features.0")
    assert tab.locator(f"{WEIGHT}.chosen").is_visible()
    assert tab.locator("#details h2").inner_text() == "features.0.weight"


def test_search_among_several_and_for_nothing(opened: Open, document: str) -> None:
    tab = opened(document)
    tab.fill("#search", "CONV2D operation")
    options = tab.locator("#results [role=option]")
    assert options.count() == 2
    tab.keyboard.press("ArrowDown")
    assert tab.locator("#search").get_attribute("aria-activedescendant") == "result-1"
    tab.keyboard.press("Enter")
    assert "in Net.block.0" in focused(tab)
    tab.fill("#search", "no such thing")
    assert tab.locator("#status").inner_text() == "nothing found"
    assert tab.locator("#results").is_hidden()
    tab.keyboard.press("Escape")
    assert tab.locator("#search").input_value() == ""


def test_arrows_follow_the_data(opened: Open, document: str) -> None:
    tab = opened(document)
    for _ in range(7):
        tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('#graph') !== null")
    tab.fill("#search", "images")
    tab.keyboard.press("Enter")
    visited = []
    for _ in range(4):
        tab.keyboard.press("ArrowDown")
        visited.append(focused(tab).split(",")[0])
    assert visited[:2] == ["conv2d", "relu"]
    tab.keyboard.press("ArrowUp")
    assert focused(tab).split(",")[0] == visited[2]
    tab.fill("#search", "conv2d features")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowLeft")
    assert focused(tab).startswith("features.0.")
    assert tab.locator("#graph [tabindex='0']").count() == 1


def test_keys_and_pointer_move_the_view(opened: Open, document: str) -> None:
    tab = opened(document)
    views = [view(tab)]
    tab.locator(WEIGHT).click()
    for key in ("+", "-", "-", "0", "Shift+ArrowDown"):
        tab.keyboard.press(key)
        views.append(view(tab))
    tab.mouse.move(120, 400)
    tab.mouse.wheel(0, -300)
    views.append(view(tab))
    tab.mouse.down()
    tab.mouse.move(170, 460, steps=4)
    tab.mouse.up()
    views.append(view(tab))
    assert [a for a, b in itertools.pairwise(views) if a == b] == []
    assert tab.locator(f"{WEIGHT}.chosen").count() == 1  # a drag chooses nothing
    for button in ("#zoom-in", "#zoom-out", "#fit"):
        before = view(tab)
        tab.click(button)
        assert view(tab) != before


def test_two_fingers_zoom(opened: Open, document: str) -> None:
    tab = opened(document, has_touch=True)
    before = view(tab) or ""
    touch = tab.context.new_cdp_session(tab)
    for kind, gap in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120)):
        points = [{"x": 300 - gap, "y": 400, "id": 0}, {"x": 300 + gap, "y": 400, "id": 1}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    scale = re.compile(r"scale\(([\d.]+)\)")
    assert float(scale.findall(view(tab) or "")[0]) > 2 * float(scale.findall(before)[0])


def test_a_node_shows_shape_cost_rule_and_how_its_numbers_are_spread(opened: Open, document: str) -> None:
    tab = opened(document)
    node = next(node for node in described(document)["nodes"] if node["id"].startswith("Net.features.0/"))
    tab.locator(f'[data-id="{node["id"]}"]').click()
    text = tab.locator("#details").inner_text()
    for fact in (
        "2 × 4 × 6 × 6",
        "float32",
        f"{node['multiply_adds']:,}",
        "tinygrad_cnn/ops/convolution.py",
        "healthy",
    ):
        assert fact in text
    for name in ("Value", "Gradient"):
        histogram = tab.get_by_role("img", name=re.compile(f"{name}: histogram from -"))
        assert histogram.locator("rect").count() == len(node["value"]["histogram"]["counts"])
    tab.get_by_role("button", name="features.0.weight w: 4 × 1 × 3 × 3").click()
    assert tab.locator("#details h2").inner_text() == "features.0.weight"


def test_an_ill_gradient_shows_on_the_closed_module_around_it(opened: Open) -> None:
    tab = opened(page(by_hand(gradient={"norm": None, "health": "nan"}, value={"mean": None, "not_finite": 2})))
    tab.click("#collapse-all")
    assert "NaN gradient" in labels_of(tab, '[data-path="M"]')[0]
    tab.click("#expand-all")
    tab.locator('[data-id="y"]').click()
    text = tab.locator("#details").inner_text()
    assert "NaN gradient" in text
    assert "2 values" in text


def test_the_path_from_a_parameter_to_the_loss(opened: Open, document: str) -> None:
    tab = opened(document)
    tab.locator('[data-id="block.0.weight"]').click()
    tab.keyboard.press("p")
    on_path = {label.split(",")[0] for label in labels_of(tab, "#graph .item.on-path")}
    assert on_path == {"block.0.weight", "conv2d", "relu", "add", "reshape", "linear", "cross_entropy", "loss"}
    assert tab.locator('[data-id="features.0.weight"].on-path, [data-id="images"].on-path').count() == 0
    assert tab.locator(".link.on-path").count() >= 7
    assert tab.locator("#status").inner_text() == "path from block.0.weight to loss: 6 operations"
    assert tab.locator("#trace").get_attribute("aria-pressed") == "true"
    tab.click("#collapse-all")
    assert tab.locator('[data-path="Net"].on-path').count() == 1
    tab.keyboard.press("Escape")
    assert tab.locator(".on-path").count() == 0


CONTRASTS = """() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const luminance = colour => channels(colour).slice(0, 3).map(c => c / 255)
        .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (...colours) => {
        const [dark, light] = colours.map(luminance).sort((a, b) => a - b);
        return (light + 0.05) / (dark + 0.05);
    };
    const inGraph = [...document.querySelectorAll("#graph .item text")].map(text =>
        ratio(getComputedStyle(text).fill, getComputedStyle(text.parentNode.querySelector(".shape")).fill));
    const ground = element => {
        const colour = getComputedStyle(element).backgroundColor;
        return channels(colour)[3] === 0 ? ground(element.parentElement) : colour;
    };
    const inPage = [...document.querySelectorAll("aside *, header *, footer *")]
        .filter(element => element instanceof HTMLElement && element.textContent.trim())
        .map(element => ratio(getComputedStyle(element).color, ground(element)));
    return Math.min(...inGraph, ...inPage);
}"""


def test_light_and_dark_can_be_read(opened: Open) -> None:
    document = page(by_hand(gradient={"norm": None, "health": "nan"}, value={"mean": 1.0}, rule="g * w"))
    luminances = []
    for scheme in ("light", "dark"):
        tab = opened(document, color_scheme=scheme)
        for state in ("#collapse-all", "#expand-all"):
            tab.click(state)
            assert tab.evaluate(CONTRASTS) >= 4.5, (scheme, state)  # WCAG 2.2, level AA
        tab.locator('[data-id="y"]').click()
        assert tab.evaluate(CONTRASTS) >= 4.5, scheme
        background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        luminances.append(sum(map(int, re.findall(r"\d+", background)[:3])))
    assert luminances[0] > 700
    assert luminances[1] < 100


def test_a_screen_reader_hears_what_everything_is(opened: Open, document: str) -> None:
    tab = opened(document)
    tree = tab.locator("body").aria_snapshot()
    for heard in (
        'combobox "Search nodes and modules"',
        'button "Zoom in"',
        'application "Computation graph, ',
        "status",
    ):
        assert heard in tree
    assert 'button "features: Sequential, module, 2 operations" [expanded]' in tree
    named = "controls => controls.every(control => control.ariaLabel || control.textContent)"
    assert tab.eval_on_selector_all("[role=button], button, input, svg[role]", named)


def test_a_hostile_name_is_only_text(opened: Open) -> None:
    description = by_hand(label=EVIL, rule=EVIL, notes=[EVIL]) | {"title": EVIL}
    description["modules"][0] |= {"label": EVIL, "path": "M", "options": EVIL}
    tab = opened(page(description))
    for item in ('[data-id="y"]', '[data-path="M"]'):
        tab.locator(item).click(position={"x": 60, "y": 10})
        assert EVIL.strip()[:10] in tab.locator("#details h2").inner_text()
    tab.fill("#search", "script")
    assert tab.locator("#results li").count() == 2
    assert tab.locator("b, img").count() == 0
    assert tab.title() != "!"


def test_a_computation_without_modules_is_drawn(opened: Open) -> None:
    w = Tensor(np.ones(2, "float32"), requires_grad=True)
    y = w
    for _ in range(60):
        y = (y * w + 1.0).sum() * w
    tab = opened(viz.graph(y, names={"w": w}).html())
    assert tab.locator("#graph .operation").count() == 240
    assert tab.locator("#graph .link").count() > 240


# Boxes that lie in one another without one being in the other, and boxes that stick out of their frame.
MISPLACED = """() => {
    const boxes = [...elements.keys()];
    const inside = (a, b) => lineage(a).includes(b);
    const right = box => box.x + box.boxWidth, bottom = box => box.y + box.boxHeight;
    const within = (a, b) => a.x >= b.x && a.y >= b.y && right(a) <= right(b) && bottom(a) <= bottom(b);
    const apart = (a, b) => right(a) <= b.x || right(b) <= a.x || bottom(a) <= b.y || bottom(b) <= a.y;
    const wrong = [];
    for (const a of boxes) for (const b of boxes) {
        if (a !== b && (inside(a, b) ? !within(a, b) : !inside(b, a) && !apart(a, b))) wrong.push(`${a.id} / ${b.id}`);
    }
    return [boxes.length, wrong.slice(0, 5)];
}"""


def test_resnet_152_is_small_quick_and_orderly(opened: Open) -> None:
    model = resnet_152(width=4)
    images = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype("float32")
    document = viz.graph(model, images, backward=True, statistics=True).html()
    assert len(document.encode()) < 2_000_000
    tab = opened(document)
    count, wrong = tab.evaluate(MISPLACED)
    assert 8 <= count <= 60
    assert wrong == []
    ready = tab.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    assert ready < 5_000  # milliseconds
    tab.locator('[data-path="ResNet.layer3"]').dblclick()
    assert tab.locator('[data-path^="ResNet.layer3."]').count() == 36
    tab.click("#expand-all")
    count, wrong = tab.evaluate(MISPLACED)
    assert count > 1_400
    assert wrong == []
    assert (
        tab.evaluate("(() => { const start = performance.now(); redraw(); return performance.now() - start; })()")
        < 5_000
    )
