"""Products with weights. On a CPU in fp32 oneDNN computes them, from weights in the layout of its kernels.

torch leaves fp32 products to MKL, which does without AVX-512 on processors of AMD: there oneDNN is 2.3 times as quick.
A row's product has the same bits whatever the other rows are, from two rows on.
"""

import platform
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Product(Protocol):
    """`given` [..., in] times a weight [out, in]."""

    def __call__(self, given: "Tensor") -> "Tensor":
        """The product, [..., out]."""
        ...

    def silu(self, given: "Tensor") -> "Tensor":
        """SiLU of the product."""
        ...

    def times(self, given: "Tensor", other: "Tensor") -> "Tensor":
        """The product times `other`, element by element."""
        ...

    def plus(self, given: "Tensor", other: "Tensor") -> "Tensor":
        """The product and `other`."""
        ...


def product_with(weight: "Tensor") -> Product:
    """The quickest exact product with `weight`."""
    return _Packed(weight) if can_be_packed(weight) else _Plain(weight)


def can_be_packed(weight: "Tensor") -> bool:
    """Whether oneDNN multiplies with `weight`."""
    import torch

    on_cpu = weight.device.type == "cpu" and weight.dtype == torch.float32
    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return on_cpu and built and platform.machine() in ("x86_64", "AMD64")


class _Packed:
    """`_linear_pointwise` is what torch's own compiler writes for a linear layer and what follows it."""

    def __init__(self, weight: "Tensor") -> None:
        import torch

        self._multiply: Any = torch.ops.mkldnn._linear_pointwise
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach())

    def __call__(self, given: "Tensor", then: str = "none") -> "Tensor":
        result: Tensor = self._multiply(given, self._weight, None, then, [], "")
        return result

    def silu(self, given: "Tensor") -> "Tensor":
        return self(given, "swish")

    def times(self, given: "Tensor", other: "Tensor") -> "Tensor":
        result: Tensor = self._multiply.binary(given, other, self._weight, None, "mul")
        return result

    def plus(self, given: "Tensor", other: "Tensor") -> "Tensor":
        result: Tensor = self._multiply.binary(given, other, self._weight, None, "add")
        return result


class _Plain:
    def __init__(self, weight: "Tensor") -> None:
        self._weight = weight

    def __call__(self, given: "Tensor") -> "Tensor":
        import torch

        return torch.nn.functional.linear(given, self._weight)

    def silu(self, given: "Tensor") -> "Tensor":
        import torch

        return torch.nn.functional.silu(self(given))

    def times(self, given: "Tensor", other: "Tensor") -> "Tensor":
        return other * self(given)

    def plus(self, given: "Tensor", other: "Tensor") -> "Tensor":
        return other + self(given)
