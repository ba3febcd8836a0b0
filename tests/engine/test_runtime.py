"""Run time seen from Python: forks, threads, neighbours in the process, environment variables, memory."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnn
from fastnn import _core, _runtime
from fastnn import functional as F

RNG = np.random.default_rng(0)
PRELUDE = "import numpy as np, fastnn; from fastnn import _core, functional as F\n"
# A product that occupies several threads, and its sum as a check.
PRODUCT = "a = np.ones((300, 300), np.float32); assert F.gemm(a, a).sum() == 300.0**3\n"


def run_python(code: str, prelude: str = PRELUDE, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter; a hang fails."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("FASTNN_", "OMP_"))}
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        env={**keep, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def succeed(code: str, prelude: str = PRELUDE, **environment: str) -> str:
    done = run_python(code, prelude, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def work(seed: int) -> tuple[Any, ...]:
    """Run a few operations that differ by seed; return their results."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 64)).astype(np.float32)
    w = rng.normal(size=(96, 64)).astype(np.float32)
    v = np.zeros_like(w)
    for _ in range(5):
        y, linear = F.linear_forward(x, w)
        _, loss = F.softmax_cross_entropy_forward(y, np.arange(200) % 96)
        _, dw, _ = F.linear_backward(F.softmax_cross_entropy_backward(1.0, loss), linear)
        F.sgd_update(w, dw, v, lr=0.5, momentum=0.9)
    return w, v


def digest(results: tuple[Any, ...]) -> bytes:
    return b"".join(np.ascontiguousarray(r).tobytes() for r in results)


# ---- fork --------------------------------------------------------------------------------------------------

BACKENDS = ["pool", "openmp"]
# Waits for a forked child that prints what it found; the parent's alarm ends both if the child hangs.
IN_CHILD = """
import os, signal
def in_child(fn):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            fn()
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_forked_child_runs_serially(backend: str) -> None:
    code = (
        "fastnn.set_num_threads(3)\n"
        + PRODUCT
        + IN_CHILD
        + """
def child():
    a = np.ones((300, 300), np.float32)
    assert F.gemm(a, a).sum() == 300.0**3
    assert fastnn.get_num_threads() == 1
in_child(child)
"""
        + PRODUCT
    )
    succeed(code, FASTNN_THREADING=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fork_while_another_thread_is_inside_a_kernel(backend: str) -> None:
    code = (
        "fastnn.set_num_threads(2)\n"
        + IN_CHILD
        + """
import threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
a = np.ones((400, 400), np.float32)
stop = threading.Event()
def busy():
    while not stop.is_set():
        F.gemm(a, a)
thread = threading.Thread(target=busy)
thread.start()
def child():
    assert F.gemm(a, a).sum() == 400.0**3
for _ in range(10):
    F.gemm(a, a)
    in_child(child)
stop.set()
thread.join()
"""
    )
    succeed(code, FASTNN_THREADING=backend)


# ---- threads -----------------------------------------------------------------------------------------------


def test_two_python_threads_at_once_get_the_results_of_one() -> None:
    expected = [digest(work(seed)) for seed in range(2)]
    results: dict[int, list[bytes]] = {0: [], 1: []}

    def loop(seed: int) -> None:
        for _ in range(10):
            results[seed].append(digest(work(seed)))

    with _runtime.threads(3):
        threads = [threading.Thread(target=loop, args=(seed,)) for seed in results]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    for seed, found in results.items():
        assert len(found) == 10
        assert set(found) == {expected[seed]}


def test_beside_torch_in_one_process() -> None:
    torch = pytest.importorskip("torch")
    expected = digest(work(0))
    x = torch.ones(300, 300)
    for _ in range(3):
        assert digest(work(0)) == expected
        assert (x @ x).sum().item() == 300.0**3


def test_both_backends_give_the_same_bits() -> None:
    code = """
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 300, 300)).astype(np.float32)
fastnn.set_num_threads(3)
import hashlib
print(_core.threading_backend(), hashlib.sha256(F.gemm(a, b).tobytes()).hexdigest())
"""
    found = [succeed(code, FASTNN_THREADING=backend).split() for backend in BACKENDS]
    assert [name for name, _ in found] == BACKENDS
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("value", [0, -1, 1025, 1 << 40])
def test_impossible_thread_counts_are_refused(value: int) -> None:
    before = fastnn.get_num_threads()
    with pytest.raises(ValueError, match=r"^\[set_num_threads\] n: expected 1 to 1024, got "):
        fastnn.set_num_threads(value)
    assert fastnn.get_num_threads() == before


@pytest.mark.parametrize("value", [1.5, "2", None, True])
def test_thread_counts_are_integers(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^\[set_num_threads\] n: expected an integer, got "):
        fastnn.set_num_threads(value)


def test_threads_come_back_after_the_block_and_after_an_error() -> None:
    before = fastnn.get_num_threads()

    def fail() -> None:
        with fastnn.threads(3):
            assert fastnn.get_num_threads() == 3
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert fastnn.get_num_threads() == before


# ---- environment -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "threads"), [("1", "1"), ("3", "3"), ("4,2", "4")])
def test_omp_num_threads_is_respected(value: str, threads: str) -> None:
    assert succeed("print(fastnn.get_num_threads())", OMP_NUM_THREADS=value) == threads


def test_affinity_is_respected() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(fastnn.get_num_threads())"
    )
    assert succeed(code) == "1"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a worker needs a core of its own")
def test_a_worker_keeps_off_its_callers_core() -> None:
    code = """
import os
cores, threads = os.sched_getaffinity(0), set(os.listdir("/proc/self/task"))
a = np.ones((300, 300), np.float32)
fastnn.set_num_threads(2)
_core.set_rendezvous(True)  # a product is there only after the worker came
F.gemm(a, a), F.gemm(a, a)  # when the first one began, there was no worker yet
(worker,) = set(os.listdir("/proc/self/task")) - threads
allowed = os.sched_getaffinity(int(worker))
assert allowed < cores and len(cores - allowed) == 1, (allowed, cores)
"""
    succeed(code)


def test_what_an_argument_raises_arrives() -> None:
    class Sizes:
        def __len__(self) -> int:
            return 4

        def __getitem__(self, axis: int) -> int:
            raise RuntimeError("unknown size")

    sizes: Any = Sizes()
    with pytest.raises(RuntimeError, match="unknown size"):
        fastnn.conv_algo(sizes, (1, 1, 3, 3))


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("FASTNN_MAX_ISA", "expected scalar, avx2, avx512 or neon, got nonsense"),
        ("FASTNN_THREADING", "expected pool or openmp, got nonsense"),
    ],
)
def test_unknown_settings_are_errors(variable: str, message: str) -> None:
    done = run_python("fastnn.set_num_threads(2)\n" + PRODUCT, **{variable: "nonsense"})
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("isa", _runtime.available_isas())
def test_max_isa_caps_the_choice(isa: str) -> None:
    assert succeed(PRODUCT + "print(_core.active_isa())", FASTNN_MAX_ISA=isa) == isa


# ---- floating-point mode -----------------------------------------------------------------------------------

FLUSH_TO_ZERO = 0x8040  # FTZ and DAZ in MXCSR


@pytest.fixture
def flush_to_zero() -> Any:
    """Return a function that runs another with denormals flushed to zero in the calling thread."""
    # The classic way into that mode: fesetenv with an environment whose MXCSR has the two bits set.
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_uint32 * 8)()  # x86-64's fenv_t: seven words of x87 state, then MXCSR
    if os.uname().machine != "x86_64" or libm.fegetenv(environment):
        pytest.skip("knows the floating-point environment of x86-64 alone")

    def run(fn: Callable[[], Any]) -> Any:
        changed = (ctypes.c_uint32 * 8)(*environment)
        changed[7] |= FLUSH_TO_ZERO
        libm.fesetenv(changed)
        try:
            return fn()
        finally:
            libm.fesetenv(environment)

    return run


@pytest.mark.filterwarnings("ignore:The value of the smallest subnormal")
def test_flush_to_zero_around_us_changes_nothing_and_is_left_alone(flush_to_zero: Any) -> None:
    tiny = np.full((300, 8), 1e-39, np.float32)  # subnormal
    ones = np.eye(8, dtype=np.float32)

    def ours() -> Any:
        return F.gemm(tiny, ones).copy().view(np.uint32).tolist()

    def numpys() -> bool:
        return bool(((tiny * np.float32(1)).view(np.uint32) == 0).all())

    assert not numpys()
    assert flush_to_zero(numpys), "the mode is on, and shows in NumPy"
    for n in (1, 2):
        with _runtime.threads(n), _runtime.rendezvous():
            expected = ours()
            assert expected[0][0] != 0
            assert flush_to_zero(ours) == expected
    assert flush_to_zero(lambda: (ours(), numpys())[1]), "our call left the caller's mode alone"


# ---- memory ------------------------------------------------------------------------------------------------


def test_results_live_as_long_as_a_view_of_them() -> None:
    x = RNG.normal(size=(100, 100))
    view = F.gemm(x, x)[50:, ::2]
    copy = view.copy()
    for _ in range(20):
        F.gemm(x, -x)
    np.testing.assert_array_equal(view, copy)


def test_counters_and_cache() -> None:
    fastnn.empty_cache()
    before = _core.live_bytes()
    _core.reset_peak_bytes()
    y = F.softmax(np.zeros((1000, 500), np.float32))
    held = _core.live_bytes() - before
    assert y.nbytes <= held <= 1.3 * y.nbytes
    assert _core.peak_bytes() >= before + y.nbytes
    del y
    assert _core.live_bytes() == before
    fastnn.empty_cache()
    assert _core.cached_bytes() == 0


def test_arrays_may_be_freed_in_another_thread() -> None:
    before = _core.live_bytes()
    arrays = [F.softmax(np.zeros((n, 64), np.float32)) for n in range(1, 200)]
    threads = [threading.Thread(target=arrays.clear) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _core.live_bytes() == before


def test_threads_that_allocate_at_once_lose_no_count() -> None:
    x, w = np.ones((16, 16, 10, 10), np.float32), np.ones((16, 16, 3, 3), np.float32)

    def work() -> None:
        for _ in range(200):
            y, cache = F.conv2d_forward(x, w, algo="direct")
            F.conv2d_backward(y, cache)

    before = _core.live_bytes()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _core.live_bytes() == before


@pytest.mark.parametrize("offset", ["y.size", "-1"])
def test_canaries_catch_an_overrun(offset: str) -> None:
    code = f"""
import ctypes
y = F.softmax(np.zeros((3, 5), np.float32))
p = y.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
p[{offset}] = 7.0
print("written", flush=True)
del y, p
"""
    assert succeed(code.replace("= 7.0", "")) == "written"
    done = run_python(code, FASTNN_DEBUG_ALLOC="1")
    assert done.stdout.strip() == "written"
    assert done.returncode < 0
    assert "memory beside a block of 60 bytes was overwritten" in done.stderr


@pytest.mark.parametrize("isa", _runtime.available_isas())
def test_products_read_nothing_behind_their_arrays(isa: str) -> None:
    code = """
import ctypes, itertools, mmap

def last(shape, dtype):
    # Ones that end where a page begins which must not be touched.
    count = int(np.prod(shape))
    page = mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, 2 * page), dtype)
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + page), page, 0) == 0
    ones = memory[: page // memory.itemsize][-count:].reshape(shape)
    ones[...] = 1
    return ones

for dtype in (np.float32, np.float64):
    for m, n, k in itertools.product(range(1, 7), [*range(1, 10), 15, 16, 17, 31, 32, 33], (1, 6)):
        b = last((k, n), dtype)
        assert (F.gemm(last((m, k), dtype), b) == k).all()
        assert (F.gemm(last((k, m), dtype).T, b) == k).all()
        assert (F.gemm(last((m, k), dtype), last((n, k), dtype).T) == k).all()
"""
    succeed(code, FASTNN_MAX_ISA=isa)


def test_debug_blocks_hold_nan_and_are_not_cached() -> None:
    code = PRODUCT + "del a; assert _core.cached_bytes() == 0; print(F.softmax(np.zeros((2, 2)))[0, 0])"
    assert succeed(code, FASTNN_DEBUG_ALLOC="1") == "0.5"


def test_import_is_light() -> None:
    code = """
before = set(sys.modules)
from fastnn import Model, Solver, nn, optim
print(*sorted(set(sys.modules) - before))
"""
    # The finder of an editable install uses importlib.util.
    loaded = set(succeed(code, prelude="import sys, importlib.util, numpy\n").split())
    assert {"fastnn.model", "fastnn.solver", "fastnn._core"} <= loaded
    others = {"torch", "matplotlib", "sklearn", "optuna", "typer", "rich", "onnx", "safetensors"}
    files = {"bz2", "csv", "gzip", "json", "lzma", "pathlib", "tempfile", "zipfile", "zlib"}
    unused = {"concurrent", "hashlib", "logging", "numpy.random", "random", "signal", "threading"}
    heavy = others | files | unused
    assert not {name for name in loaded if name in heavy or name.partition(".")[0] in heavy}


def test_the_suite_runs_on_every_isa_of_this_cpu() -> None:
    flags = Path("/proc/cpuinfo").read_text()
    wanted = {"avx2"} if " avx2 " in flags and " fma " in flags else set()
    wanted |= {"avx512"} if " avx512bw " in flags and " avx512vl " in flags else set()
    assert wanted <= set(_runtime.available_isas())


def test_sizes_of_zero_in_a_cache_are_errors() -> None:
    """Whoever fills a cache by hand gets a message, not a division by zero."""
    x = np.ones((2, 4, 3, 3), np.float32)
    _, maxout = F.maxout_forward(x, 2)
    _, groups = F.groupnorm_forward(x, x[0, :, 0, 0], x[0, :, 0, 0], 2)
    _, pooled = F.adaptive_avgpool2d_forward(x, 1)
    with pytest.raises(ValueError, match=r"\[maxout_backward\] pieces"):
        F.maxout_backward(x[:, :2], maxout._replace(pieces=0))
    with pytest.raises(ValueError, match=r"\[groupnorm_backward\] num_groups"):
        F.groupnorm_backward(x, groups._replace(num_groups=0))
    with pytest.raises(ValueError, match=r"\[adaptive_avgpool2d_backward\] x"):
        F.adaptive_avgpool2d_backward(x[:, :, :1, :1], pooled._replace(x_shape=(2, 4, 0, 3)))


@pytest.mark.parametrize("stride", [(2**70, 1), (1, -(2**63)), 2**63])
def test_integers_beyond_64_bits_are_refused(stride: Any) -> None:
    with pytest.raises(ValueError, match=r"\[conv2d_forward\] stride: expected integers below 2\^63"):
        F.conv2d_forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), stride=stride)
