"""What every operation must pass, driven by the rows of `fastnn.testing.cases`.

A failing test's id names the row, the problem, the dtype and the instruction set: enough to run it again.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import functional, reference
from fastnn._runtime import available_isas, isa_override, last_worker_count, rendezvous
from fastnn.testing.cases import CASES, OpCase, Pair, Problem, Update, apart, integers, normal
from fastnn.testing.layouts import LAYOUTS
from fastnn.testing.tolerances import assert_close, bound

VECTOR_BYTES = {"scalar": 0, "neon": 16, "avx2": 32, "avx512": 64}

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_problem = pytest.mark.parametrize(
    ("case", "problem"), [pytest.param(c, p, id=f"{c} {p}") for c in CASES for p in c.problems]
)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> Any:
    """Run the test once on each instruction set that this CPU has."""
    with isa_override(request.param):
        assert fastnn.show_config()["isa"] == request.param
        yield request.param


def check_equal(case: OpCase, actual: dict[str, Any], expected: dict[str, Any]) -> None:
    """Demand the same results, bit for bit but for the sign of zero."""
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype, name
        np.testing.assert_array_equal(actual[name], value, err_msg=f"{case}: {name}", strict=True)


def check_exact(case: OpCase, problem: Problem, dtype: str) -> None:
    """Compare integers with the reference, bit for bit."""
    arguments = case.arguments(problem, dtype, integers)
    check_equal(case, case.run(functional, arguments), case.run(reference, arguments))


def check_close(case: OpCase, problem: Problem, dtype: str) -> None:
    """Compare random numbers with the reference in float64, within the row's tolerance."""
    arguments = case.arguments(problem, dtype, normal)
    precise = {**arguments, **{n: arguments[n].astype(np.float64) for n in case.float_arrays(arguments)}}
    actual, expected = case.run(functional, arguments), case.run(reference, precise)
    assert list(actual) == list(expected)
    for name, value in expected.items():
        if value.ndim:
            assert actual[name].dtype == dtype, name
        allowed = bound(dtype, case.reduction(problem).get(name, 1), case.units)
        assert_close(actual[name], value, allowed, f"{case} {problem}: {name}")


# ---- values ------------------------------------------------------------------------------------------------


@every_dtype
@every_problem
def test_integers_are_exact(case: OpCase, problem: Problem, dtype: str, isa: str) -> None:
    if case.exact(problem):
        check_exact(case, problem, dtype)


@every_dtype
@every_problem
def test_close_to_reference(case: OpCase, problem: Problem, dtype: str, isa: str) -> None:
    check_close(case, problem, dtype)


@every_dtype
@every_case
def test_tails(case: OpCase, dtype: str, isa: str) -> None:
    """Every size round the edges of one and of two registers."""
    lanes = max(1, VECTOR_BYTES[isa] // np.dtype(dtype).itemsize)
    for tail in case.tails:
        for n in range(1, 2 * lanes + 2):
            problem = tail(n)
            (check_exact if case.exact(problem) else check_close)(case, problem, dtype)


@pytest.mark.parametrize(
    ("case", "problem"),
    [pytest.param(c, p, id=f"{c} {p}") for c in CASES if isinstance(c, Pair) for p in c.problems],
)
def test_gradients(case: Pair, problem: Problem) -> None:
    for name, error in case.gradient_errors(functional, case.arguments(problem, "float64", apart)).items():
        assert error <= 1e-6, f"d{name}: relative error {error:.3g}"


@every_problem
def test_torch_agrees(case: OpCase, problem: Problem) -> None:
    torch = pytest.importorskip("torch")
    if case.torch is None:
        pytest.skip("torch has no such operation")
    arguments = case.arguments(problem, "float64", normal)
    tensors = {n: torch.tensor(a) if isinstance(a, np.ndarray) else a for n, a in arguments.items()}
    dy = tensors.pop("dy", None)
    if not isinstance(case, Pair):
        theirs = case.torch(torch, **tensors)
        theirs = theirs if isinstance(theirs, dict) else {case.result: theirs}
    else:
        inputs = {d: tensors[d[1:]].requires_grad_() for d in case.gradients if d[1:] in tensors}
        y = case.torch(torch, **tensors)
        y.backward(dy)
        theirs = {"y": y.detach(), **{d: tensor.grad for d, tensor in inputs.items()}}
    actual = case.run(functional, arguments)
    for name, value in theirs.items():
        allowed = 4 * bound("float64", case.reduction(problem).get(name, 1), case.units)
        assert_close(actual[name], value.numpy(), allowed, name)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@every_problem
def test_poison_spreads_as_in_the_reference(case: OpCase, problem: Problem, poison: float, isa: str) -> None:
    arguments = case.arguments(problem, "float32", normal)
    arguments[case.float_arrays(arguments)[0]].flat[0] = poison
    with np.errstate(invalid="ignore"):
        actual, expected = case.run(functional, arguments), case.run(reference, arguments)
    for name in ["y"] if isinstance(case, Pair) else expected:
        np.testing.assert_array_equal(np.isnan(actual[name]), np.isnan(expected[name]), err_msg=name)
        np.testing.assert_array_equal(np.isinf(actual[name]), np.isinf(expected[name]), err_msg=name)


# ---- threads -----------------------------------------------------------------------------------------------


class Watched:
    """The functions of ``fastnn.functional``, recording how many threads worked on each call."""

    def __init__(self) -> None:
        self.workers: dict[str, int] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            last_worker_count()
            result = getattr(functional, name)(*args, **kwargs)
            self.workers[name] = last_worker_count()
            return result

        return call


@every_dtype
@every_case
def test_thread_count_does_not_change_a_bit(case: OpCase, dtype: str) -> None:
    arguments = case.arguments(case.wide, dtype, normal)
    with fastnn.threads(1):
        alone = case.run(functional, arguments)
    for n in (2, 3):
        watched: Any = Watched()
        with fastnn.threads(n), rendezvous():
            check_equal(case, case.run(watched, arguments), alone)
        assert watched.workers == dict.fromkeys(case.functions, n)


# ---- memory ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@every_problem
def test_any_memory_layout(case: OpCase, problem: Problem, layout: Any) -> None:
    """Awkward memory gives the results of contiguous memory, and is neither written nor returned."""
    exact = case.exact(problem)
    drawn = case.arguments(problem, "float32", integers if exact else normal)
    arguments = {n: layout(a) if isinstance(a, np.ndarray) and a.ndim else a for n, a in drawn.items()}
    values = {n: a.copy() if isinstance(a, np.ndarray) else a for n, a in arguments.items()}
    results, expected = case.run(functional, arguments), case.run(functional, values)
    if exact:
        check_equal(case, results, expected)
    for name, value in expected.items():
        allowed = bound("float32", case.reduction(problem).get(name, 1), case.units)
        assert_close(results[name], value, allowed, name)
    for name, value in values.items():
        np.testing.assert_array_equal(arguments[name], value, err_msg=f"{case} wrote into {name}")
        if isinstance(value, np.ndarray):
            others = [result for r, result in results.items() if r != name]
            assert not any(np.may_share_memory(r, arguments[name]) for r in others), f"{case} returned {name}"


@every_problem
def test_images_are_channels_last_in_memory(case: OpCase, problem: Problem) -> None:
    """Image operations make channels-last memory of any; those of any rank keep what they get."""
    arguments = case.arguments(problem, "float32", normal)
    if case.any_rank:
        arguments = {n: LAYOUTS["channels_last"](a) if np.ndim(a) == 4 else a for n, a in arguments.items()}
    results = case.run(functional, arguments)
    for name in ("x", "y", "dx"):
        if name in results and results[name].ndim == 4:
            assert results[name].transpose(0, 2, 3, 1).flags.c_contiguous, name


@every_dtype
@every_problem
def test_empty_batch(case: OpCase, problem: Problem, dtype: str) -> None:
    """N = 0 gives what the reference gives, or is refused where it has no meaning."""
    if not case.batched:
        return
    arguments = case.arguments(case.empty(problem), dtype, normal)
    try:
        expected = case.run(reference, arguments)
    except ValueError:
        with pytest.raises(ValueError, match=r"^\[\w+\] .+: expected .+, got .+$"):
            case.run(functional, arguments)
    else:
        check_equal(case, case.run(functional, arguments), expected)


def test_guarded_memory(tmp_path: Path) -> None:
    """Run the values again with a canary on either side of every block."""
    environment = {**os.environ, "FASTNN_DEBUG_ALLOC": "1"}
    selection = "test_tails or test_integers_are_exact or test_empty_batch"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        selection,
        __file__,
    ]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


# ---- refusals ----------------------------------------------------------------------------------------------


def check_refused(case: OpCase, arguments: dict[str, Any], arg: str, got: str = ".+") -> None:
    before = {n: a.copy() for n, a in arguments.items() if isinstance(a, np.ndarray)}
    pattern = rf"\[({'|'.join(case.functions)})\] ({arg}): expected [^\n]+, got [^\n]*{got}[^\n]*"
    with pytest.raises(ValueError) as caught:
        case.run(functional, arguments)
    assert re.fullmatch(pattern, str(caught.value)), str(caught.value)
    for name, value in before.items():
        np.testing.assert_array_equal(arguments[name], value, err_msg=f"a refused call changed {name}")


@pytest.mark.parametrize(
    ("case", "bad"), [pytest.param(c, b, id=f"{c} {b}") for c in CASES for b in c.bad_calls]
)
def test_bad_calls_are_refused(case: OpCase, bad: Any) -> None:
    good = case.arguments(case.problems[0], "float32", normal)
    check_refused(case, bad.spoil(good), bad.arg, bad.got)


every_float_array = pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(case, name, id=f"{case} {name}")
        for case in CASES
        for name in case.float_arrays(case.arguments(case.problems[0], "float32"))
        if np.ndim(case.arguments(case.problems[0], "float32")[name])
    ],
)


@pytest.mark.parametrize("dtype", [">f4", "float16", "int32", "bool", "complex64", "object"])
@every_float_array
def test_other_dtypes_are_refused(case: OpCase, name: str, dtype: str) -> None:
    good = case.arguments(case.problems[0], "float32", normal)
    check_refused(case, {**good, name: good[name].astype(dtype)}, name)


@every_float_array
def test_mixed_dtypes_are_refused(case: OpCase, name: str) -> None:
    good = case.arguments(case.problems[0], "float32", normal)
    if sum(np.ndim(good[other]) > 0 for other in case.float_arrays(good)) > 1:
        check_refused(case, {**good, name: good[name].astype(np.float64)}, "|".join(case.float_arrays(good)))


@every_float_array
def test_another_rank_is_refused(case: OpCase, name: str) -> None:
    good = case.arguments(case.problems[0], "float32", normal)
    if not case.any_rank or name == "dy":
        check_refused(case, {**good, name: good[name][None]}, "|".join(case.float_arrays(good)))


@every_float_array
def test_lists_are_refused(case: OpCase, name: str) -> None:
    good = case.arguments(case.problems[0], "float32", normal)
    if isinstance(case, Update) and name in case.written:
        return  # run() copies what is written, which makes an array of it
    with pytest.raises(TypeError, match=rf"^\[({'|'.join(case.functions)})\] {name}: expected .+, got list"):
        case.run(functional, {**good, name: good[name].tolist()})


# ---- names -------------------------------------------------------------------------------------------------


def public_functions(module: Any) -> dict[str, Any]:
    members = inspect.getmembers(module, inspect.isfunction)
    return {name: member for name, member in members if not name.startswith("_")}


@pytest.mark.parametrize("name", public_functions(functional))
def test_functional_and_reference_have_one_signature(name: str) -> None:
    def parameters(f: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]

    kernel, specification = getattr(functional, name), getattr(reference, name)
    assert parameters(kernel) == parameters(specification)
    family = kernel.__module__.rpartition(".")[2]
    assert specification.__module__ == f"fastnn.reference.{family}"


def test_every_function_has_a_row() -> None:
    geometry = {"conv2d_output_size", "pool2d_output_size", "fractional_regions"}  # no kernels
    assert set(public_functions(functional)) - geometry == {f for case in CASES for f in case.functions}


def test_every_instruction_set_of_this_cpu_is_tested() -> None:
    cpuinfo = Path("/proc/cpuinfo")
    flags = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    expected = {
        isa for isa, flag in {"avx2": "avx2", "avx512": "avx512dq", "neon": "asimd"}.items() if flag in flags
    }
    assert expected | {"scalar"} <= set(available_isas())
