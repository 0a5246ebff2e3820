"""What a primitive keeps and runs, compiled once for each set of inputs that need a gradient.

A rule asks for what it needs by naming its parameters. Reading those names at every call would cost microseconds, so a
plan turns them, once, into two small lambdas over positions: `keep` picks what the rules ask for from everything a call
has (its arguments, its output, its residuals), and `pull` hands it to them. For `mul` with both inputs recorded:

    keep = lambda b: (b[1], b[0],)
    pull = lambda g, k: (rule_a(g, k[0]), rule_b(g, k[1]),)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.core.edges import Node, Version
from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.core.sweeps import sweep
from tinygrad_cnn.core.tensors import wrap
from tinygrad_cnn.errors import GradientError

if TYPE_CHECKING:
    from tinygrad_cnn.core.primitives import Primitive

Pull = Callable[[Any, Any], Sequence[Any]]


class Plan:
    """The compiled rules of `primitive` when the inputs at `positions` are recorded."""

    __slots__ = (
        "_subsets",
        "arguments",
        "elementwise",
        "keep",
        "kept",
        "name",
        "positions",
        "primitive",
        "pull",
        "watched",
    )

    def __init__(self, primitive: Primitive, positions: tuple[int, ...]) -> None:
        self.primitive = primitive
        self.name = primitive.name
        self.elementwise = primitive.elementwise
        self.positions = positions
        self.arguments = [primitive.parameters[i] for i in positions]
        self.kept = self._asked_for()
        self.keep = self._compile_keep()
        self.pull = self._compile_pull(tuple(True for _ in positions))
        kept_view = primitive.views and "y" in self.kept  # an output that shares an input's memory changes with it
        self.watched = [i for i, name in enumerate(primitive.parameters) if name in self.kept or kept_view]
        self._subsets: dict[tuple[bool, ...], Pull] = {}

    def argument(self, position: int) -> str:
        """What the input of the parent at `position` is called."""
        return self.arguments[position]

    def edited(self, versions: Mapping[int, Version], clock: int) -> bool:
        """Whether an input that the rules kept was edited after the call at `clock`."""
        return any(version[0] > clock and i in self.watched for i, version in versions.items())

    def pull_towards(self, mask: tuple[bool, ...]) -> Pull:
        """Like `pull`, but running only the rules whose input is wanted; None stands for the others."""
        if all(mask):
            return self.pull
        if mask not in self._subsets:
            self._subsets[mask] = self._compile_pull(mask)
        return self._subsets[mask]

    # ---- compilation

    def _rules(self) -> list[Callable[..., Any]]:
        joint = self.primitive.joint_rule
        return [joint] if joint else [self.primitive.rules[name] for name in self.arguments]

    def _asked_for(self) -> list[str]:
        names = [name for rule in self._rules() for name in requests(rule) if name != "needs"]
        if self.primitive.definition is not None:
            names += self.primitive.parameters  # the definition is called with all of them again
        return list(dict.fromkeys(names))

    def _compile_keep(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        primitive = self.primitive
        everything = [*primitive.parameters, "y", *primitive.saves]
        place = {f"{name}_shape": f"b[{i}].shape" for i, name in enumerate(primitive.parameters)}
        place |= {name: f"b[{i}]" for i, name in enumerate(everything)}
        return _compiled(f"lambda b: ({''.join(place[name] + ',' for name in self.kept)})")

    def _compile_pull(self, mask: tuple[bool, ...]) -> Pull:
        primitive = self.primitive
        wanted = {name for name, is_wanted in zip(self.arguments, mask, strict=True) if is_wanted}
        needs = tuple(name in wanted for name in primitive.differentiable)

        def call(rule: str, function: Callable[..., Any]) -> str:
            asked = ["needs" if name == "needs" else f"k[{self.kept.index(name)}]" for name in requests(function)]
            return f"{rule}({', '.join(['g', *asked])})"

        if primitive.joint_rule:  # returns a cotangent for each differentiable input; pick those of the recorded ones
            picks = [primitive.differentiable.index(name) for name in self.arguments]
            pick = "".join(f"r[{i}]," if is_wanted else "None," for i, is_wanted in zip(picks, mask, strict=True))
            body = f"counted(rule, {call('joint', primitive.joint_rule)}, {len(needs)})"
            body = body if all(mask) and picks == [*range(len(needs))] else f"pick({body})"
            env = {
                "rule": f"{primitive.name}: its joint rule",
                "joint": primitive.joint_rule,
                "needs": needs,
                "counted": counted,
                "pick": _compiled(f"lambda r: ({pick})"),
            }
            return _compiled(f"lambda g, k: {body}", **env)
        calls = [
            call(f"rule_{name}", primitive.rules[name]) if is_wanted else "None"
            for name, is_wanted in zip(self.arguments, mask, strict=True)
        ]
        rules = {f"rule_{name}": primitive.rules[name] for name in self.arguments}
        return _compiled(f"lambda g, k: ({''.join(c + ',' for c in calls)})", needs=needs, **rules)

    # ---- the recorded pass

    def recorded(self, pull: Pull, node: Node) -> tuple[Pull, Any]:
        """`pull` and what it reads, as Tensors on the edges they had in the forward pass, so that it records itself."""
        kept = [self._revived(name, value, node) for name, value in zip(self.kept, node.kept or (), strict=True)]
        definition = self.primitive.definition
        if definition is None:
            return pull, kept
        arguments = [kept[self.kept.index(name)] for name in self.primitive.parameters]
        return (lambda g, _: self._pull_through(definition, arguments, g)), None

    def _revived(self, name: str, value: Any, node: Node) -> Any:
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            return value
        if name == "y":
            return wrap(value, node)
        if name in self.primitive.saves:
            if self.primitive.definition is None:
                raise GradientError(
                    f"{self.name}: its residual {name} depends on the inputs, so its rule cannot be differentiated as "
                    f"it stands; write the operation in plain primitives and register it with {self.name}.define(...)"
                )
            return value
        position = self.primitive.parameters.index(name)
        edge = node.parents[self.positions.index(position)] if position in self.positions else None
        version = None if node.versions is None else node.versions.get(position)
        return wrap(value, edge, version)

    def _pull_through(self, definition: Callable[..., Any], arguments: list[Any], g: Any) -> Sequence[Any]:
        # Inside the definition each input is a fresh alias, whose edge marks where its share of the derivative ends.
        aliases = {i: OPS["alias"](arguments[i]) for i in self.positions}
        y = definition(*(aliases.get(i, argument) for i, argument in enumerate(arguments)))
        edges = [alias._edge for alias in aliases.values()]
        cotangents = sweep([y._edge], [g], inputs=edges, record=True, retain=True)
        return [cotangents.get(edge) for edge in edges]


def requests(rule: Callable[..., Any]) -> list[str]:
    """The names a rule asks for: all of its parameters but the first, which is the cotangent."""
    return list(inspect.signature(rule).parameters)[1:]


def _compiled(source: str, **names: Any) -> Callable[..., Any]:
    return eval(source, names)  # type: ignore[no-any-return]  # source is put together above, from identifiers only


def counted(rule: str, cotangents: Any, expected: int) -> Sequence[Any]:
    """The cotangents that one rule returned for several inputs. Raises: GradientError where their number is wrong."""
    if not isinstance(cotangents, list | tuple):
        raise GradientError(f"{rule} returned a {type(cotangents).__name__}, expected a tuple of {expected} cotangents")
    if len(cotangents) != expected:
        raise GradientError(f"{rule} returned {len(cotangents)} cotangents, expected {expected}")
    return cotangents
