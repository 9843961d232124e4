"""jaxtyping's array types, for annotations: checked while tests run, free in use.

To import jaxtyping takes as long as numpy, a third of a search. So its names stand for anything here, except to type
checkers and in the tests, which have loaded it before.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Float16 as Float16
    from jaxtyping import Float32 as Float32
    from jaxtyping import Float64 as Float64
    from jaxtyping import Int32 as Int32
    from jaxtyping import Int64 as Int64
    from jaxtyping import Shaped as Shaped
    from jaxtyping import UInt8 as UInt8
else:

    class Bool:
        """An array of any shape: `Bool[np.ndarray, "c k"]` is Any."""

        def __class_getitem__(cls, _: Any) -> Any:
            return Any

    Float = Float16 = Float32 = Float64 = Int32 = Int64 = Shaped = UInt8 = Bool
