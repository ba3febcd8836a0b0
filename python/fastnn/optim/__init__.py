"""Optimizers: they turn gradients into parameter updates, in place.

``optimizer.step(params, grads)`` takes two mappings from parameter name to array. Where both keep their
arrays in one buffer (attribute ``flat``, as a `Model`'s do), each contiguous stretch of trainable parameters
is one kernel call; otherwise there is one call per array. Both give the same numbers and one state format.

Formulas, argument names and defaults are PyTorch's. `weight_decay` acts on every parameter that is trained
and never shows in the reported loss; a regularizer is the way to a penalty on weights alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# Loaded at first use: a run has one optimizer.
if TYPE_CHECKING:
    from fastnn.optim._base import Groups as Groups
    from fastnn.optim._base import Optimizer as Optimizer
    from fastnn.optim.adaptive import Adadelta as Adadelta
    from fastnn.optim.adaptive import Adagrad as Adagrad
    from fastnn.optim.adaptive import NAdam as NAdam
    from fastnn.optim.adaptive import RMSprop as RMSprop
    from fastnn.optim.averaging import ParameterAverage as ParameterAverage
    from fastnn.optim.clipping import clip_grad_norm as clip_grad_norm
    from fastnn.optim.clipping import clip_grad_value as clip_grad_value
    from fastnn.optim.first_order import SGD as SGD
    from fastnn.optim.first_order import Adam as Adam
    from fastnn.optim.first_order import AdamW as AdamW
    from fastnn.optim.second_order import LBFGS as LBFGS
    from fastnn.optim.second_order import Minimum as Minimum
    from fastnn.optim.second_order import Newton as Newton
else:
    from fastnn._lazy import lazy_names

    __getattr__, __dir__, __all__ = lazy_names(
        __name__,
        {
            "_base": ("Groups", "Optimizer"),
            "adaptive": ("Adadelta", "Adagrad", "NAdam", "RMSprop"),
            "averaging": ("ParameterAverage",),
            "clipping": ("clip_grad_norm", "clip_grad_value"),
            "first_order": ("SGD", "Adam", "AdamW"),
            "second_order": ("LBFGS", "Minimum", "Newton"),
        },
    )
