"""Networks as a user writes them, for tinygrad_cnn and PyTorch alike: skip connections, channels in odd numbers.

`written_for(framework, nn)` gives the classes: the source is the same, only the import differs.
"""

from __future__ import annotations

from typing import Any


def written_for(framework: Any, nn: Any) -> dict[str, type[Any]]:
    """The Module classes by name. framework: `torch` or `tinygrad_cnn`; nn: its package of layers."""
    relu, flatten = framework.relu, framework.flatten

    class Skip20(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 20, 3, padding=1)
            self.inner = nn.Conv2d(20, 20, 3, padding=1)
            self.outer = nn.Conv2d(20, 20, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.wide = nn.Conv2d(20, 48, 3, padding=1)
            self.head = nn.Linear(48 * 8 * 8, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(relu(self.first(x)))
            x = relu(x + self.outer(relu(self.inner(x))))
            x = self.pool(relu(self.wide(x)))
            return self.head(flatten(x, 1))

    class Channels5And12(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 5, 5, padding=2)
            self.second = nn.Conv2d(5, 12, 3)
            self.pool = nn.MaxPool2d(2)
            self.hidden = nn.Linear(12 * 6 * 6, 50)
            self.head = nn.Linear(50, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(relu(self.first(x)))
            x = self.pool(relu(self.second(x)))
            return self.head(relu(self.hidden(flatten(x, 1))))

    class Channels48(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 48, 3, padding=1)
            self.second = nn.Conv2d(48, 48, 3, padding=1)
            self.third = nn.Conv2d(48, 96, 3, padding=1)
            self.pool = nn.MaxPool2d(2)
            self.head = nn.Linear(96 * 8 * 8, 10)

        def forward(self, x: Any) -> Any:
            x = self.pool(relu(self.second(relu(self.first(x)))))
            x = self.pool(relu(self.third(x)))
            return self.head(flatten(x, 1))

    class SkipBatchNorm12(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 12, 3, padding=1)
            self.norm = nn.BatchNorm2d(12)
            self.inner = nn.Conv2d(12, 12, 3, padding=1)
            self.inner_norm = nn.BatchNorm2d(12)
            self.down = nn.Conv2d(12, 20, 3, stride=2, padding=1)
            self.down_norm = nn.BatchNorm2d(20)
            self.head = nn.Linear(20, 10)

        def forward(self, x: Any) -> Any:
            x = relu(self.norm(self.first(x)))
            x = x + relu(self.inner_norm(self.inner(x)))
            x = relu(self.down_norm(self.down(x)))
            return self.head(x.mean((2, 3)))

    return {cls.__name__: cls for cls in (Skip20, Channels5And12, Channels48, SkipBatchNorm12)}
