"""The flags of compiled kernels, in one place.

Kernels release the interpreter lock and are cached on disk, so that compilation is waited for once per machine.
Set NUMBA_DISABLE_JIT=1 to run the same code as plain Python, for a debugger or for coverage.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.core import config
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a function of typed arrays and numbers."""
    return cast("Kernel", numba.njit(nogil=True, cache=True, error_model="numpy")(function))


@intrinsic
def _count_trailing_zeros(_context: Any, _word: Any) -> Any:  # noqa: ANN401  (numba's own protocol)
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.uint64(numba.types.uint64), generate


def _plain_trailing_zeros(word: int) -> int:
    return (int(word) & -int(word)).bit_length() - 1


lowest_bit: Callable[[Any], int] = (
    _plain_trailing_zeros if config.DISABLE_JIT else cast("Callable[[Any], int]", _count_trailing_zeros)  # type: ignore[attr-defined]
)
"""The position of the lowest set bit of a word that is not 0."""
