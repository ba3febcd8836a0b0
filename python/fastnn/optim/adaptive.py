"""Optimizers that scale every step by the history of its own gradients."""

from __future__ import annotations

from fastnn import functional as F
from fastnn.optim._base import Array, Groups, Optimizer, _Block


class Adagrad(Optimizer):
    """AdaGrad: steps shrink where gradients have been large.

    ``total += g^2;  w -= lr / (1 + (t-1)*lr_decay) * g / (sqrt(total) + eps)`` at step t: the sum is of
    squared gradients, eps outside the root. It never forgets, so that every rate falls to zero.

    Args:
        lr: learning rate, >= 0.
        lr_decay: how fast the rate falls besides, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        initial_accumulator_value: what ``total`` starts from.
        eps: added to the root, >= 0.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> Adagrad(lr=0.5).step(params, {"w": np.array([3.0, -0.1])})
        >>> params["w"].round(6)
        array([ 0.5, -1.5])

    Reference:
        Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011,
        https://jmlr.org/papers/v12/duchi11a.html
    """

    _options = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "groups")

    def __init__(
        self,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.lr_decay = self._number("lr_decay", lr_decay)
        self.initial_accumulator_value = self._number("initial_accumulator_value", initial_accumulator_value)
        self.eps = self._number("eps", eps)

    def _slot_names(self) -> tuple[str, ...]:
        return ("total",)

    def _first(self, slot: str) -> float:
        return self.initial_accumulator_value

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.adagrad_update(
            param,
            grad,
            block.slots["total"],
            lr=lr / (1.0 + (block.steps - 1) * self.lr_decay),
            eps=self.eps,
            weight_decay=weight_decay,
        )


class RMSprop(Optimizer):
    """RMSProp: AdaGrad with a memory that fades.

    ``square = alpha*square + (1-alpha)*g^2;  v = momentum*v + g / (sqrt(square) + eps);  w -= lr*v``;
    centered, the root is of the gradient's variance, ``square - mean^2``. eps outside the root.

    Args:
        lr: learning rate, >= 0.
        alpha: decay of the averages, in [0, 1].
        eps: added to the root, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        momentum: in [0, 1); 0 needs no state.
        centered: subtract the mean.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0, -2.0])}
        >>> RMSprop(lr=0.5, alpha=0.75).step(params, {"w": np.array([3.0, -0.1])})
        >>> params["w"].round(6)
        array([ 0., -1.])

    Reference:
        Tieleman and Hinton, Lecture 6.5, 2012,
        https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    """

    _options = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "groups")

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.alpha = self._number("alpha", alpha, high=1.0)
        self.eps = self._number("eps", eps)
        self.momentum = self._number("momentum", momentum, high=1.0, below=True)
        self.centered = bool(centered)

    def _slot_names(self) -> tuple[str, ...]:
        used = {"square": True, "mean": self.centered, "velocity": self.momentum > 0}
        return tuple(name for name, needed in used.items() if needed)

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.rmsprop_update(
            param,
            grad,
            block.slots["square"],
            block.slots.get("mean"),
            block.slots.get("velocity"),
            lr=lr,
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=weight_decay,
            momentum=self.momentum,
        )


class Adadelta(Optimizer):
    """Adadelta: steps as large as recent steps were, in units of the gradient.

    ``square = rho*square + (1-rho)*g^2;  d = sqrt((change + eps) / (square + eps)) * g;
    change = rho*change + (1-rho)*d^2;  w -= lr*d``: eps inside the roots, where it sets the first steps.

    Args:
        lr: factor of every step, >= 0.
        rho: decay of the averages, in [0, 1].
        eps: added under the roots, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0])}
        >>> Adadelta(rho=0.75, eps=1.0).step(params, {"w": np.array([2.0])})
        >>> params["w"].round(4)
        array([-0.4142])

    Reference:
        Zeiler, Adadelta: an adaptive learning rate method, 2012, https://arxiv.org/abs/1212.5701
    """

    _options = ("lr", "rho", "eps", "weight_decay", "groups")

    def __init__(
        self,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.rho = self._number("rho", rho, high=1.0)
        self.eps = self._number("eps", eps)

    def _slot_names(self) -> tuple[str, ...]:
        return ("square", "change")

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.adadelta_update(
            param,
            grad,
            block.slots["square"],
            block.slots["change"],
            lr=lr,
            rho=self.rho,
            eps=self.eps,
            weight_decay=weight_decay,
        )


class NAdam(Optimizer):
    """NAdam: Adam that looks one step ahead, as Nesterov's momentum does.

    ``mu_t = b1*(1 - 0.96^(t*momentum_decay)/2)`` weighs the gradient at hand and the momentum of the next
    step; see `fastnn.functional.nadam_update` for the equation. Bias-corrected, eps outside the root.

    Args:
        lr: learning rate, >= 0.
        betas: decay of the two averages, each in [0, 1).
        eps: added to the root, >= 0.
        weight_decay: adds ``weight_decay * w`` to the gradient of every trained parameter.
        momentum_decay: how fast the momentum rises to b1, >= 0.
        decoupled_weight_decay: shrink the weights by ``lr*weight_decay`` instead, as `AdamW` does.
        groups: by prefix of parameter names, an ``lr_scale`` and a ``weight_decay`` of their own.

    Raises:
        ValueError: an option is negative, not finite or out of range.

    Example:
        >>> import numpy as np
        >>> params = {"w": np.array([1.0])}
        >>> NAdam(lr=0.1).step(params, {"w": np.array([3.0])})
        >>> params["w"].round(4)
        array([0.8944])

    Reference:
        Dozat, Incorporating Nesterov momentum into Adam, 2016,
        https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """

    _options = (
        "lr", "betas", "eps", "weight_decay", "momentum_decay", "decoupled_weight_decay", "groups",
    )  # fmt: skip

    def __init__(
        self,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        self.betas = self._betas(betas)
        self.eps = self._number("eps", eps)
        self.momentum_decay = self._number("momentum_decay", momentum_decay)
        self.decoupled_weight_decay = bool(decoupled_weight_decay)

    def _slot_names(self) -> tuple[str, ...]:
        return ("m", "v")

    def _update(self, param: Array, grad: Array, block: _Block, lr: float, weight_decay: float) -> None:
        F.nadam_update(
            param,
            grad,
            block.slots["m"],
            block.slots["v"],
            step=block.steps,
            lr=lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=weight_decay,
            momentum_decay=self.momentum_decay,
            decoupled=self.decoupled_weight_decay,
        )
