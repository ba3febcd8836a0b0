"""Gradient descent, momentum, Adam and AdamW."""

from __future__ import annotations

from fastnn import functional as F
from fastnn.optim._base import Array, Groups, Optimizer, _Block


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's form of it.

    ``g = grad + weight_decay*w;  v = momentum*v + g;  w -= lr*v``, with Nesterov
    ``w -= lr*(g + momentum*v)``. The rate stands outside the velocity (a lecture often writes
    ``v = momentum*v - lr*g``): the two differ when the rate changes.

    Args:
        lr: learning rate, >= 0.
        momentum: in [0, 1); 0 needs no state.
        nesterov: look ahead; needs a momentum.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> SGD(lr=0.5).step(params, {"w": np.array([1.0, 1.0])})
        >>> params["w"]
        array([ 0.5, -2.5])

    Reference:
        Sutskever et al., On the importance of initialization and momentum in deep learning, 2013,
        https://proceedings.mlr.press/v28/sutskever13.html
    """

    _options = ("lr", "momentum", "nesterov", "weight_decay", "groups")

    def __init__(
        self,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.momentum = self._number("momentum", momentum, high=1.0, below=True)
        self.nesterov = bool(nesterov)
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("[SGD] nesterov: expected a momentum > 0 with it, got momentum 0")

    def _slot_names(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.sgd_update(
            param,
            grad,
            block.slots.get("velocity"),
            lr=lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=weight_decay,
        )


class Adam(Optimizer):
    """Adam: steps scaled by running averages of the gradient and of its square.

    ``m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g^2;  w -= lr * m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)``:
    bias-corrected, eps outside the root. Here ``weight_decay`` is part of the gradient; `AdamW` decouples it.

    Args:
        lr: learning rate, >= 0.
        betas: decay of the two averages, each in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> Adam(lr=0.5).step(params, {"w": np.array([3.0, -0.1])})
        >>> params["w"].round(6)
        array([ 0.5, -1.5])

    Reference:
        Kingma and Ba, Adam: a method for stochastic optimization, 2015, https://arxiv.org/abs/1412.6980
    """

    _options = ("lr", "betas", "eps", "weight_decay", "groups")
    _decoupled = False

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.betas = self._betas(betas)
        self.eps = self._number("eps", eps)

    def _slot_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.adam_update(
            param,
            grad,
            block.slots["m"],
            block.slots["v"],
            step=block.steps,
            lr=lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=weight_decay,
            decoupled=self._decoupled,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: ``w -= lr*weight_decay*w`` before Adam's step on the bare gradient.

    Args:
        lr: learning rate, >= 0.
        betas: decay of the two averages, each in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: fraction of each weight, times ``lr``, that a step removes.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0])}
        >>> AdamW(lr=0.5, weight_decay=0.1).step(params, {"w": np.array([0.0])})
        >>> params["w"]
        array([0.95])

    Reference:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019, https://arxiv.org/abs/1711.05101
    """

    _decoupled = True

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, groups=groups)
