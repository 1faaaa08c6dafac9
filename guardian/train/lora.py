"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685): train few weights, ship none more than before.

Every linear layer of the backbone gets a product of two thin matrices beside it; heads, norms of the heads and control
tokens are trained as they are. `merged` adds the products to the layers, so that what is saved looks like any other
weights.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

SCALE = 2.0
"""alpha / r of the paper: 16 / 8, as Cross-Task Defense trains."""


class LoraLinear(nn.Module):
    """A frozen linear layer beside `SCALE * up(down(x))`, which starts at zero."""

    def __init__(self, frozen: nn.Linear, rank: int) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.frozen(x) + SCALE * self.up(self.down(x))
        return found

    def merged(self) -> nn.Linear:
        """The one layer that does the same."""
        self.frozen.weight.data += SCALE * (self.up.weight @ self.down.weight).data
        return self.frozen


def adapt(backbone: nn.Module, rank: int) -> int:
    """Freeze `backbone` and put an adapter of `rank` beside each linear layer; returns how many there are."""
    backbone.requires_grad_(False)
    return _exchange(backbone, lambda layer: LoraLinear(layer, rank) if isinstance(layer, nn.Linear) else None)


def merge(backbone: nn.Module) -> int:
    """Take the adapters out again, into the layers; returns how many there were."""
    return _exchange(backbone, lambda layer: layer.merged() if isinstance(layer, LoraLinear) else None)


def _exchange(module: nn.Module, other: Callable[[nn.Module], nn.Module | None]) -> int:
    count = 0
    for name, child in list(module.named_children()):
        if (new := other(child)) is None:
            count += _exchange(child, other)
        else:
            setattr(module, name, new)
            count += 1
    return count
