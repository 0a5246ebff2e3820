"""What is shown of a description: collapsed modules as one box, equal neighbours once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import inf

from tinygrad_cnn.viz.descriptions import Description, Edge, Gradient, Health, ModuleEntry, Node
from tinygrad_cnn.viz.folding import ancestors

_MOST_OPTIONS = 56  # letters of a module's options; more would make its box the widest
_SEVERITY: tuple[Health, ...] = ("healthy", "vanishing", "zero", "exploding", "nan")


def view(description: Description) -> Description:
    """The description as it is drawn; without modules it is the same."""
    if not description["modules"]:
        return description
    return _collapsed(_folded(description))


# ---- equal neighbours


def _folded(description: Description) -> Description:
    """Without the copies: the first of each run bears the costs of one, and the gradients' norms of all."""
    modules = {module["path"]: module for module in description["modules"]}
    if not any(module["copy_of"] for module in description["modules"]):
        return description
    chains = ancestors(description["modules"])
    twins = _twins(description["nodes"], modules, chains)
    first: dict[str, str] = {}  # node -> the one that is drawn for it
    for node in description["nodes"]:  # a copy stands after what it is a copy of
        twin = twins.get(node["id"])
        first[node["id"]] = node["id"] if twin is None else first[twin]
    nodes = {node["id"]: node for node in description["nodes"] if first[node["id"]] == node["id"]}
    for node in description["nodes"]:
        if node["id"] not in nodes:
            _widen(nodes, first[node["id"]], node["gradient"])
    kept_modules = [m for m in description["modules"] if not any(modules[p]["copy_of"] for p in chains[m["path"]])]
    last = {module["copy_of"]: module for module in description["modules"] if module["copy_of"]}
    return {
        "title": description["title"],
        "nodes": list(nodes.values()),
        "edges": [{**edge, "from": first[edge["from"]]} for edge in description["edges"] if edge["to"] in nodes],
        "modules": [_run_entry(module, last.get(module["path"])) for module in kept_modules],
    }


def _twins(
    nodes: Sequence[Node], modules: dict[str, ModuleEntry], chains: dict[str, tuple[str, ...]]
) -> dict[str, str]:
    """For each node in a copy, the node that stands in its place in the first of the run."""
    members: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        for path in chains[node["module"]]:
            if modules[path]["copy_of"] or modules[path]["copies"] > 1:
                members[path].append(node["id"])
    twins: dict[str, str] = {}
    for path, ids in members.items():  # outer modules stand before inner ones, whose twins are in the same module
        origin = modules[path]["copy_of"]
        for one, other in zip(ids, members[origin], strict=True) if origin else ():
            twins.setdefault(one, other)
    return twins


def _run_entry(module: ModuleEntry, last: ModuleEntry | None) -> ModuleEntry:
    if last is None:
        return module
    label = module["label"]
    if ": " in label:
        label = f"{label.partition(': ')[0]} to {last['label'].partition(': ')[0]}: {module['kind']}"
    options = f"{module['options']}, each:" if module["options"] else "each:"
    return {**module, "label": f"{label} \N{MULTIPLICATION SIGN} {module['copies']}", "options": options}


def _widen(nodes: dict[str, Node], id: str, gradient: Gradient | None) -> None:
    """Let the norm at the node reach as far as that of its copy."""
    node = nodes[id]
    own = node["gradient"]
    if own is None or gradient is None or own["norm"] is None or gradient["norm"] is None:
        return
    low = min(own["norm"], gradient["norm"])
    high = max(own.get("norm_to", -inf), own["norm"], gradient["norm"])
    nodes[id] = {**node, "gradient": {**own, "norm": low, "norm_to": high}}


# ---- modules as one box


def _collapsed(description: Description) -> Description:
    modules = {module["path"]: module for module in description["modules"]}
    chains = ancestors(description["modules"])
    box = {path: next((p for p in chain if modules[p]["collapsed"]), "") for path, chain in chains.items()}
    if not any(box.values()):
        return description
    nodes: dict[str, Node] = {}
    place: dict[str, str] = {}  # node -> the box that stands for it
    outgoing = _last_results(description, box)
    worst = _worst_health(description["nodes"], box)
    for node in description["nodes"]:
        path = box[node["module"]]
        place[node["id"]] = f"{path}/" if path else node["id"]  # no node's id ends so
        if not path:
            nodes[node["id"]] = node
        elif f"{path}/" not in nodes:
            nodes[f"{path}/"] = _module_node(modules[path], outgoing.get(path, node), worst.get(path))
    return {
        "title": description["title"],
        "nodes": list(nodes.values()),
        "edges": _edges_between(description["edges"], place),
        "modules": [module for module in description["modules"] if not box[module["path"]]],
    }


def _last_results(description: Description, box: dict[str, str]) -> dict[str, Node]:
    """For each collapsed module the last node whose result is used outside."""
    path_of = {node["id"]: box[node["module"]] for node in description["nodes"]}
    used = {edge["from"] for edge in description["edges"] if path_of[edge["from"]] != path_of[edge["to"]]}
    return {path_of[node["id"]]: node for node in description["nodes"] if node["id"] in used}


def _worst_health(nodes: Sequence[Node], box: dict[str, str]) -> dict[str, Health]:
    """For each collapsed module that of the sickest gradient inside, which its one box must not hide."""
    worst: dict[str, Health] = {}
    for node in nodes:
        path = box[node["module"]]
        if path and node["gradient"]:
            worst[path] = max(worst.get(path, "healthy"), node["gradient"]["health"], key=_SEVERITY.index)
    return worst


def _module_node(module: ModuleEntry, result: Node, health: Health | None) -> Node:
    gradient = result["gradient"]
    if gradient and health:
        gradient = {**gradient, "health": health}
    return {
        "id": f"{module['path']}/",
        "label": module["label"],
        "kind": "module",
        "module": module["parent"],
        "shape": result["shape"],
        "dtype": result["dtype"],
        "parameters": module["parameters"],
        "multiply_adds": module["multiply_adds"],
        "kept_bytes": module["kept_bytes"],
        "notes": [module["options"]] if 0 < len(module["options"]) <= _MOST_OPTIONS else [],
        "rule": "",
        "value": result["value"],
        "gradient": gradient,
    }


def _edges_between(edges: Sequence[Edge], place: dict[str, str]) -> list[Edge]:
    """The edges between boxes; several between two boxes of which one is a module are one, for one value."""
    found: list[Edge] = []
    known: set[tuple[str, str, str]] = set()
    for edge in edges:
        source, target = place[edge["from"]], place[edge["to"]]
        if source == edge["from"] and target == edge["to"]:
            found.append(edge)
        elif source != target and (edge["from"], source, target) not in known:
            known.add((edge["from"], source, target))
            shown = edge["shown"] and target == edge["to"]
            found.append({**edge, "from": source, "to": target, "shown": shown})
    return found
