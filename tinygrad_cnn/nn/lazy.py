"""Layers that learn the number of their inputs from the first batch."""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.geometry import Sizes
from tinygrad_cnn.nn.convolution import Conv2d
from tinygrad_cnn.nn.layers import Linear
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.registration import OWN_STATE


class _Lazy(Module):
    """What the lazy layers share: at the first call they turn into the ordinary layer for that input."""

    _ordinary: ClassVar[Any]  # the class that it turns into

    def __init__(self, generator: np.random.Generator | None, options: dict[str, Any]) -> None:
        super().__init__()
        groups = options.get("groups", 1)
        probe = groups if isinstance(groups, int) and groups > 0 else 1
        self._ordinary(probe, **options, generator=np.random.default_rng(0))  # refuses wrong options now
        self._options = {**options, "generator": generator}

    def forward(self, input: Tensor) -> Any:
        made = self._ordinary(self._inputs(input.shape), **self._options)
        del self._options
        vars(self).update({name: value for name, value in vars(made).items() if name not in OWN_STATE})
        self.__class__ = self._ordinary
        return self.forward(input)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._options.items() if name != "generator")

    def __getattr__(self, name: str) -> NoReturn:
        mend = "; it is there after the first call" if name in ("weight", "bias") else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{mend}")

    def _check_ready(self, path: str) -> None:
        where = f"{path} ({type(self).__name__})" if path else type(self).__name__
        raise ArgumentError(
            f"{where}: its parameters do not exist before the first call; run one batch through the model first"
        )

    def _inputs(self, shape: tuple[int, ...]) -> int:
        """The number of inputs that the layer needs for an input of that shape."""
        raise NotImplementedError


class LazyLinear(_Lazy):
    """A `Linear` that takes `in_features` from the last dimension of its first input, and is one from then on.

    Until then it has no parameters: `parameters()`, `state_dict()` and all that stands on them raise, so that no
    optimiser misses them; run one batch through the model first.

    Raises: as `Linear` does.

    Example:
        >>> import tinygrad_cnn as tg
        >>> layer = LazyLinear(10)
        >>> layer
        LazyLinear(out_features=10, bias=True)
        >>> layer(tg.tensor(np.ones((2, 256), np.float32))).shape
        (2, 10)
        >>> layer
        Linear(in_features=256, out_features=10, bias=True)
    """

    _ordinary = Linear

    def __init__(self, out_features: int, bias: bool = True, *, generator: np.random.Generator | None = None) -> None:
        super().__init__(generator, {"out_features": out_features, "bias": bias})

    def _inputs(self, shape: tuple[int, ...]) -> int:
        if not shape:
            raise ShapeError("LazyLinear: expects an input of at least one dimension, got shape ()")
        return shape[-1]


class LazyConv2d(_Lazy):
    """A `Conv2d` that takes `in_channels` from its first input, and is one from then on; see `LazyLinear`.

    Raises: as `Conv2d` does.

    Example:
        >>> import tinygrad_cnn as tg
        >>> layer = LazyConv2d(16, kernel_size=3)
        >>> layer(tg.tensor(np.ones((1, 3, 8, 8), np.float32))).shape
        (1, 16, 6, 6)
        >>> layer
        Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
    """

    _ordinary = Conv2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        generator: np.random.Generator | None = None,
    ) -> None:
        window = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
        others = {"groups": groups, "bias": bias, "padding_mode": padding_mode}
        super().__init__(generator, {"out_channels": out_channels, **window, **others})

    def _inputs(self, shape: tuple[int, ...]) -> int:
        if len(shape) not in (3, 4):
            raise ShapeError(f"LazyConv2d: expects an input (N, C, H, W) or (C, H, W), got shape {shape}")
        return shape[-3]
