"""The flags of compiled kernels, in one place.

Kernels release the interpreter lock and are cached on disk, so that compilation is waited for once per machine.
Set NUMBA_DISABLE_JIT=1 to run the same code as plain Python, for a debugger or for coverage.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def kernel(function: Kernel) -> Kernel:
    """Compile a function of typed arrays and numbers."""
    return cast("Kernel", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
