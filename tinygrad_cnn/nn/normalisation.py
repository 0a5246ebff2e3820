"""Normalisation as layers: their learned scale and shift, and the running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.ops.normalisation import batch_norm, group_norm, instance_norm, layer_norm


class _Normalisation(Module):
    """What all have: weight (ones) and bias (zeros), which may be left out."""

    weight: Parameter | None
    bias: Parameter | None

    def _scale(self, shape: tuple[int, ...], affine: bool, bias: bool) -> None:
        if any(size < 1 for size in shape):
            raise ArgumentError(f"{type(self).__name__}: sizes must be at least 1, got {shape}")
        self.weight = Parameter(np.ones(shape, np.float32)) if affine else None
        self.bias = Parameter(np.zeros(shape, np.float32)) if affine and bias else None


class _Running(_Normalisation):
    """What batch and instance norm share: options, and running statistics as buffers."""

    input_dims: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._scale((num_features,), affine, bias)
        self.running_mean: Tensor | None
        self.running_var: Tensor | None
        self.num_batches_tracked: Tensor | None
        self.register_buffer("running_mean", np.zeros(num_features, np.float32) if track_running_stats else None)
        self.register_buffer("running_var", np.ones(num_features, np.float32) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", np.array(0) if track_running_stats else None)

    def _check_dims(self, input: Tensor) -> None:
        if len(input.shape) not in self.input_dims:
            dims = " or ".join(f"{n}-d" for n in self.input_dims)
            raise ShapeError(f"{type(self).__name__}: expects {dims} input, got shape {input.shape}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def forward(self, input: Tensor) -> Tensor:
        return self.normalised(input, batch_norm)

    def normalised(self, input: Tensor, operation: Callable[..., Tensor]) -> Tensor:
        """What `operation`, batch_norm or batch_norm_relu, makes of the input with this Module's statistics."""
        self._check_dims(input)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked = Tensor(self.num_batches_tracked.data + 1)
            if momentum is None:  # the mean of all batches so far
                momentum = 1 / self.num_batches_tracked.item()
        tracked = self.running_mean is not None
        return operation(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=self.training or not tracked,
            momentum=momentum or 0.0,
            eps=self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """Each feature normalised over the batch in training; by running statistics after `eval()`.

    Shapes: (N, num_features) or (N, num_features, L); weight, bias, running_mean and running_var (num_features).

    eps: added to the variance. momentum: the share of a new batch in the running statistics; None for the mean of all.
    affine: whether there are weight and bias. track_running_stats: False takes the batch's after `eval()` too.

    Raises: ShapeError for one value per channel in training.

    Source: Ioffe & Szegedy 2015, "Batch normalization: accelerating deep network training".
    """

    input_dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of images normalised over the batch in training; by running statistics after `eval()`.

    Shapes: (N, num_features, H, W); weight, bias, running_mean and running_var (num_features).

    eps: added to the variance. momentum: the share of a new batch in the running statistics; None for the mean of all.
    affine: whether there are weight and bias. track_running_stats: False takes the batch's after `eval()` too.

    Raises: ShapeError for one value per channel in training.

    Source: Ioffe & Szegedy 2015, "Batch normalization: accelerating deep network training".

    Example:
        >>> import tinygrad_cnn as tg
        >>> layer = BatchNorm2d(3)
        >>> layer(tg.tensor(np.ones((2, 3, 4, 4), np.float32))).shape
        (2, 3, 4, 4)
        >>> layer.running_mean
        tensor([0.1, 0.1, 0.1], shape=(3,), dtype=float32)
    """

    input_dims = (4,)


class InstanceNorm2d(_Running):
    """Each channel of each image normalised by itself; by running statistics after `eval()` where they are tracked.

    Shapes: (N, num_features, H, W) or (num_features, H, W); weight, bias, running_mean and running_var (num_features).

    Options: as of `BatchNorm2d`, with other defaults.

    Raises: ShapeError for images of one pixel.

    Source: Ulyanov et al. 2016, "Instance normalization: the missing ingredient for fast stylization".
    """

    input_dims = (3, 4)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_dims(input)
        batch = input if len(input.shape) == 4 else input.reshape(1, *input.shape)
        y = instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            use_input_stats=self.training or not self.track_running_stats,
            momentum=self.momentum or 0.0,
            eps=self.eps,
        )
        return y if y.shape == input.shape else y.reshape(*input.shape)


class LayerNorm(_Normalisation):
    """Each example normalised over its last dimensions.

    Shapes: (..., *normalized_shape), an int for one dimension; weight and bias (normalized_shape).

    Raises: ArgumentError where a size is below 1.

    Source: Ba et al. 2016, "Layer normalization".

    Example:
        >>> LayerNorm(16)
        LayerNorm((16,), eps=1e-05, elementwise_affine=True, bias=True)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._scale(self.normalized_shape, elementwise_affine, bias)

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Normalisation):
    """Each of `num_groups` groups of channels of each example normalised by itself.

    Shapes: (N, num_channels, ...); weight and bias (num_channels).

    Raises: ArgumentError where the channels do not fall into that many groups.

    Source: Wu & He 2018, "Group normalization".

    Example:
        >>> GroupNorm(2, 6)
        GroupNorm(2, 6, eps=1e-05, affine=True, bias=True)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ArgumentError(f"GroupNorm: num_groups must divide the {num_channels} channels, got {num_groups}")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._scale((num_channels,), affine, bias)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[1:2] != (self.num_channels,):
            raise ShapeError(f"GroupNorm: expects {self.num_channels} channels, got input {input.shape}")
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
