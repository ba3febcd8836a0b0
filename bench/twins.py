"""One net for every rival: a fastnn model as a PyTorch module and as an ONNX graph, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from fastnn import nets, nn
from fastnn.model import Model

Build: TypeAlias = Callable[..., Model]


# ---- nets that fastnn.nets does not hold -------------------------------------------------------------------


def mlp_tiny() -> Model:
    """Return 64-64-64-10 with ReLU."""
    return nets.mlp(64, (64, 64), batch_norm=False, drop_prob=0.0)


def without_dropout(model: Model) -> Model:
    """Set every dropout probability to 0, for a comparison that random masks would spoil."""
    assert isinstance(model.net, nn.Container)
    for _, layer in model.net.named_layers():
        if isinstance(layer, nn.Dropout):
            layer.drop_prob = 0.0
    return model


# ---- PyTorch -----------------------------------------------------------------------------------------------


class _Residual(torch.nn.Module):
    def __init__(self, layer: nn.Residual) -> None:
        super().__init__()
        self.body = _module(layer.children["body"])
        self.shortcut = _module(layer.children["shortcut"]) if "shortcut" in layer.children else None
        self._relu = layer.activation == "relu"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
        return torch.relu(y) if self._relu else y


def _module(layer: Any) -> torch.nn.Module:
    match layer:
        case nn.Sequential():
            return torch.nn.Sequential(*(_module(layer[i]) for i in range(len(layer))))
        case nn.Residual():
            return _Residual(layer)
        case nn.Linear():
            return torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias)
        case nn.Conv2d():
            window = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
            return torch.nn.Conv2d(layer.in_channels, layer.out_channels, *window, bias=layer.bias)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            kind = torch.nn.BatchNorm2d if isinstance(layer, nn.BatchNorm2d) else torch.nn.BatchNorm1d
            return kind(layer.num_features, layer.eps, layer.momentum)
        case nn.MaxPool2d():
            return torch.nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
        case nn.GlobalAvgPool2d():
            return torch.nn.AdaptiveAvgPool2d(1)
        case nn.Dropout():
            return torch.nn.Dropout(layer.drop_prob)
        case nn.ReLU():
            return torch.nn.ReLU()
        case nn.Flatten():
            return torch.nn.Flatten()
    raise TypeError(f"no PyTorch twin for {type(layer).__name__}")


def torch_twin(model: Model, *, channels_last: bool = False) -> torch.nn.Module:
    """Return the same net in PyTorch with the same parameters and statistics: names agree by design."""
    module: Any = _module(model.net)
    module.load_state_dict({name: torch.tensor(value) for name, value in model.state_dict().items()})
    memory = torch.channels_last if channels_last else torch.contiguous_format
    return module.to(memory_format=memory)  # type: ignore[no-any-return]


# ---- ONNX --------------------------------------------------------------------------------------------------


class _Graph:
    """An ONNX graph while it grows."""

    def __init__(self, model: Model) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._state = model.state_dict()
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, name: str) -> list[str]:
        """Return the name of an initializer in a list, or nothing if the net has no such array."""
        if name not in self._state:
            return []
        self.weights.append(self._numpy.from_array(self._state[name], name))
        return [name]

    def add(self, layer: Any, path: str, x: str) -> str:
        """Append a layer and return the name of its output."""
        match layer:
            case nn.Sequential():
                for name, child in layer.children.items():
                    x = self.add(child, f"{path}{name}.", x)
                return x
            case nn.Residual():
                shortcut = layer.children.get("shortcut")
                y = self.add(layer.children["body"], f"{path}body.", x)
                x = x if shortcut is None else self.add(shortcut, f"{path}shortcut.", x)
                y = self.node("Add", [y, x])
                return self.node("Relu", [y]) if layer.activation == "relu" else y
            case nn.Linear():
                inputs = [x, *self.weight(f"{path}weight"), *self.weight(f"{path}bias")]
                return self.node("Gemm", inputs, transB=1)
            case nn.Conv2d():
                inputs = [x, *self.weight(f"{path}weight"), *self.weight(f"{path}bias")]
                window = {"strides": layer.stride, "pads": layer.padding * 2, "dilations": layer.dilation}
                return self.node("Conv", inputs, kernel_shape=layer.kernel_size, group=layer.groups, **window)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                names = ("weight", "bias", "running_mean", "running_var")
                inputs = [x, *(w for name in names for w in self.weight(f"{path}{name}"))]
                return self.node("BatchNormalization", inputs, epsilon=layer.eps)
            case nn.MaxPool2d():
                pads = layer.padding * 2
                return self.node(
                    "MaxPool", [x], kernel_shape=layer.kernel_size, strides=layer.stride, pads=pads
                )
            case nn.GlobalAvgPool2d():
                return self.node("GlobalAveragePool", [x])
            case nn.ReLU():
                return self.node("Relu", [x])
            case nn.Flatten():
                return self.node("Flatten", [x])
            case nn.Dropout():
                return x
        raise TypeError(f"no ONNX twin for {type(layer).__name__}")


def onnx_session(model: Model, batch: int, threads: int) -> Callable[[np.ndarray[Any, Any]], Any]:
    """Return a function that predicts with ONNX Runtime, every optimisation on, on ``threads`` threads."""
    import onnxruntime
    from onnx import TensorProto, helper

    assert model.input_shape is not None
    graph = _Graph(model)
    output = graph.add(model.net, "", "x")
    made = helper.make_graph(
        graph.nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *model.input_shape])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        graph.weights,
    )
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0]
