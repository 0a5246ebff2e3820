"""Rearrangements, joins, parts and einsum against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn.testing.strategies import arrays

torch: Any = pytest.importorskip("torch")

DTYPES = st.sampled_from([np.float64, np.float32])
MATRICES = hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4)


@st.composite
def inputs(draw: Any, min_dims: int = 0, min_side: int = 0) -> Any:
    return draw(
        arrays(hnp.array_shapes(min_dims=min_dims, max_dims=3, min_side=min_side, max_side=4), dtype=draw(DTYPES))
    )


def dims_of(x: Any, **options: Any) -> Any:
    return st.lists(st.integers(0, x.ndim - 1), unique=True, **options).map(tuple) if x.ndim else st.just(())


def compare(name: str, x: Any, *arguments: Any, method: bool = False) -> None:
    """The two functions (or methods) of that name, or a refusal by both."""
    ours, theirs = (
        (getattr(tg.Tensor, name), getattr(torch.Tensor, name))
        if method
        else (
            getattr(tg, name),
            getattr(torch, name),
        )
    )
    try:
        theirs(torch.from_numpy(np.array(x)), *arguments)
    except (RuntimeError, ValueError, IndexError, TypeError):
        assert_both_refuse(
            lambda: ours(tg.tensor(x), *arguments), lambda: theirs(torch.from_numpy(np.array(x)), *arguments)
        )
        return
    options = ", ".join(type(argument).__name__ for argument in arguments)
    assert_parity(name, lambda x: ours(x, *arguments), lambda x: theirs(x, *arguments), [x], options=options)


# ---- shapes


@given(inputs(), st.data())
def test_reshape(x: Any, data: Any) -> None:
    shape = data.draw(st.sampled_from([(-1,), (x.size,), (1, x.size), x.shape[::-1], (2, -1), (3, 7)]))
    compare("reshape", x, shape)


@given(inputs(), st.data())
def test_permute_and_transpose(x: Any, data: Any) -> None:
    compare("permute", x, tuple(data.draw(st.permutations(range(x.ndim)))))
    if x.ndim:
        compare("transpose", x, data.draw(st.integers(-x.ndim, x.ndim)), data.draw(st.integers(-x.ndim, x.ndim - 1)))


@given(inputs(), st.data())
def test_squeeze_and_unsqueeze(x: Any, data: Any) -> None:
    x = x[..., None] if data.draw(st.booleans()) else x[None]
    compare("squeeze", x)
    compare("squeeze", x, data.draw(st.integers(-x.ndim - 1, x.ndim)))
    compare("squeeze", x, data.draw(dims_of(x)))
    compare("unsqueeze", x, data.draw(st.integers(-x.ndim - 2, x.ndim + 1)))


@given(inputs(), st.data())
def test_flatten(x: Any, data: Any) -> None:
    ends = st.integers(-max(x.ndim, 1), max(x.ndim, 1) - 1)
    compare("flatten", x, data.draw(ends), data.draw(ends))


@given(inputs(min_side=1), st.data())
def test_expand_and_repeat(x: Any, data: Any) -> None:
    x = x[tuple(slice(data.draw(st.sampled_from([1, None]))) for _ in x.shape)]
    x = np.asarray(x)
    lead = data.draw(st.lists(st.integers(0, 3), max_size=2))
    sizes = [data.draw(st.sampled_from([size, -1, 3, 0])) for size in x.shape]
    compare("expand", x, (*lead, *sizes), method=True)
    if -1 not in (*lead, *sizes):
        compare("broadcast_to", x, (*lead, *sizes))
    compare(
        "repeat", x, tuple(data.draw(st.lists(st.integers(0, 3), min_size=max(x.ndim - 1, 1), max_size=4))), method=True
    )


def test_expand_refuses() -> None:
    for sizes in [(3, 1), (2,), (-1, 2, 1), (2, -3)]:
        compare("expand", np.ones((2, 1)), sizes, method=True)


# ---- elements


@given(inputs(), st.data())
def test_flip_and_roll(x: Any, data: Any) -> None:
    dims = data.draw(dims_of(x))
    compare("flip", x, dims)
    if dims:
        compare("roll", x, tuple(data.draw(st.integers(-5, 5)) for _ in dims), dims)
        compare("roll", x, data.draw(st.integers(-5, 5)), dims[0])
    compare("roll", x, data.draw(st.integers(-9, 9)))


@pytest.mark.parametrize("name", ["tril", "triu"])
@given(st.data())
def test_triangles(name: str, data: Any) -> None:
    x = data.draw(arrays(MATRICES, dtype=data.draw(DTYPES)))
    compare(name, x)
    compare(name, x, data.draw(st.integers(-5, 5)))


# ---- joins and parts


@pytest.mark.parametrize("name", ["cat", "stack"])
@given(st.data())
def test_joins(name: str, data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for _ in range(data.draw(st.integers(1, 3))):
        part = list(shape)
        if name == "cat":
            part[dim] = data.draw(st.integers(1, 3))
        parts.append(data.draw(arrays(tuple(part), dtype=data.draw(DTYPES))))
    ours, theirs = getattr(tg, name), getattr(torch, name)
    assert_parity(name, lambda *xs: ours(xs, dim), lambda *xs: theirs(xs, dim), parts)


@given(inputs(min_dims=1), st.data())
def test_split_and_chunk(x: Any, data: Any) -> None:
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    compare("split", x, data.draw(st.integers(0, 5)), dim)
    compare("chunk", x, data.draw(st.integers(0, 5)), dim)
    first = data.draw(st.integers(0, x.shape[dim]))
    compare("split", x, [first, 0, x.shape[dim] - first], dim)


REFUSED: list[tuple[str, tuple[Any, ...]]] = [
    ("reshape", ((5, -1),)),
    ("permute", ((0,),)),
    ("permute", ((0, 0),)),
    ("squeeze", ((0, 0),)),
    ("flip", ((0, 0),)),
    ("flip", (0,)),
    ("roll", ((1, 2), 0)),
    ("roll", ((1, 1),)),
    ("roll", (1, 2)),
    ("tril", (1.5,)),
    ("split", ([2, 2],)),
    ("split", ([4, -2],)),
    ("split", (0,)),
    ("split", (-1,)),
    ("chunk", (0,)),
]


@pytest.mark.parametrize(("name", "arguments"), REFUSED, ids=str)
def test_what_pytorch_refuses(name: str, arguments: Any) -> None:
    x = np.ones((2, 3))
    assert_both_refuse(
        lambda: getattr(tg, name)(tg.tensor(x), *arguments),
        lambda: getattr(torch, name)(torch.from_numpy(x), *arguments),
    )


def test_what_has_too_few_dimensions() -> None:
    for name, arguments in [("tril", ()), ("split", (1,)), ("chunk", (1,)), ("roll", (1, 0))]:
        x = np.ones(3) if name == "tril" else np.array(1.0)
        compare(name, x, *arguments)


# ---- products


@given(st.data())
def test_matmul(data: Any) -> None:
    batches = data.draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3)
    ).input_shapes
    m, k, n = (data.draw(st.integers(0, 3)) for _ in range(3))
    shapes = [(*batches[0], m, k), (*batches[1], k, n)]
    if data.draw(st.booleans()):
        shapes[data.draw(st.integers(0, 1))] = (k,)
    dtype = data.draw(DTYPES)
    assert_parity("matmul", tg.matmul, torch.matmul, [data.draw(arrays(shape, dtype=dtype)) for shape in shapes])


EQUATIONS: dict[str, list[tuple[int, ...]]] = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)],
    "i,j->ij": [(2,), (3,)],
    "i,i->": [(3,), (3,)],
    "i,i": [(3,), (3,)],
    "ij->ji": [(2, 3)],
    "ij->": [(2, 3)],
    "ij->j": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iji->ji": [(2, 3, 2)],
    "ii,ij->j": [(2, 2), (2, 3)],
    "iii->i": [(2, 2, 2)],
    "ij,kl->": [(2, 3), (4, 2)],
    "ij,k->i": [(2, 3), (4,)],
    "ij,ij,j->i": [(2, 3), (2, 3), (3,)],
    "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "ij,kj->i": [(2, 1), (4, 3)],
    "ij,ij->ij": [(1, 3), (2, 1)],
    "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)],
    "...i,...i": [(2, 3), (3,)],
    "...->": [(2, 3)],
    "...i->i...": [(2, 3, 4)],
    "i...,i->...": [(2, 3), (2,)],
    "...,...": [(2, 3), (1, 3)],
    "i->...i": [(3,)],
    "...i,j->j": [(2, 3), (4,)],
    "bA,aB": [(2, 3), (4, 5)],
    " b n c , d c -> b d n": [(2, 3, 4), (5, 4)],
    "": [()],
    ",i->i": [(), (3,)],
    "ij,jk->ik ": [(0, 3), (3, 4)],
    "ij, jk->ik": [(2, 0), (0, 4)],
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum(equation: str, dtype: Any) -> None:
    generator = np.random.default_rng(0)
    operands = [np.asarray(generator.normal(size=shape), dtype) for shape in EQUATIONS[equation]]
    assert_parity(
        "einsum",
        lambda *xs: tg.einsum(equation, *xs),
        lambda *xs: torch.einsum(equation, *xs),
        operands,
        options=equation,
    )


@given(st.data())
def test_einsum_of_any_letters(data: Any) -> None:
    sizes = dict(zip("abcd", [1, 2, 3, 4], strict=True))
    terms = data.draw(st.lists(st.lists(st.sampled_from("abcd"), max_size=3).map("".join), min_size=1, max_size=3))
    used = sorted({letter for term in terms for letter in term})
    output = "".join(data.draw(st.lists(st.sampled_from(used), unique=True))) if used else ""
    equation = f"{','.join(terms)}->{output}"
    shapes = [tuple(sizes[letter] for letter in term) for term in terms]
    operands = [data.draw(arrays(shape)) for shape in shapes]
    assert_parity("einsum", lambda *xs: tg.einsum(equation, *xs), lambda *xs: torch.einsum(equation, *xs), operands)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij->ji->k", [(2, 2)]),
        ("ii->ij", [(2, 2)]),
        ("i->ii", [(2,)]),
        ("ij", [(2,)]),
        ("i", [(2, 3)]),
        ("i$", [(2,)]),
        ("i.", [(2,)]),
        ("......i", [(2,)]),
        ("i,j", [(2,)]),
        ("i", [(2,), (2,)]),
        ("ij,jk->ik", [(2, 3), (4, 2)]),
        ("ii->i", [(2, 1)]),
        ("...i,...i->...", [(2, 3), (4, 3)]),
        ("ij...", [(2,)]),
    ],
)
def test_einsum_refuses(equation: str, shapes: Any) -> None:
    operands = [np.ones(shape) for shape in shapes]
    assert_both_refuse(
        lambda: tg.einsum(equation, *map(tg.tensor, operands)),
        lambda: torch.einsum(equation, *map(torch.from_numpy, operands)),
    )
