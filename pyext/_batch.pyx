# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The one pass that makes a minibatch: gather, convert, normalise, shift and mirror, into channels-last memory.

    out[n, h, w, c] = (x[rows[n], h + dy, w' + dx, c] - mean[h + dy, w' + dx, c]) / std[h + dy, w' + dx, c]

where w' is w, or W - 1 - w if the row is mirrored; pixels from outside the image are 0, the mean after
normalisation. The value is converted to the type of `out` first, so the result has the bits of the same
expression in NumPy.
"""

from libc.stdint cimport int64_t, uint8_t

ctypedef fused source_t:
    const uint8_t
    const float
    const double

ctypedef fused target_t:
    float
    double


cdef inline void _fill(target_t* out, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = 0


cdef inline void _normalise(
    source_t* x, const target_t* mean, const target_t* std, target_t* out, Py_ssize_t count
) noexcept nogil:
    """Adjacent values: the loop that the compiler turns into vector instructions."""
    cdef Py_ssize_t i
    for i in range(count):
        out[i] = (<target_t> x[i] - mean[i]) / std[i]


def assemble(
    source_t[:, :, :, :] x,
    const int64_t[::1] rows,
    const target_t[:, :, ::1] mean,
    const target_t[:, :, ::1] std,
    const int64_t[:, ::1] moves,
    target_t[:, :, :, ::1] out,
):
    """Write the examples `rows` of `x` into `out`.

    x (N, H, W, C) any strides; rows (n,) in [0, N); mean and std (H, W, C); moves (n, 3) with dy, dx and a
    truth value for mirroring; out (n, H, W, C), which must not overlap x. The GIL is released.
    """
    cdef Py_ssize_t N = x.shape[0], H = x.shape[1], W = x.shape[2], C = x.shape[3]
    cdef Py_ssize_t n, h, w, c, source_h, source_w, first, last
    cdef int64_t dy, dx
    cdef bint mirrored
    # Strides of axes of size 1 mean nothing.
    cdef bint adjacent = (C == 1 or x.strides[3] == sizeof(x[0, 0, 0, 0])) and (
        W == 1 or x.strides[2] == C * <Py_ssize_t> sizeof(x[0, 0, 0, 0])
    )
    cdef bint whole = adjacent and (H == 1 or x.strides[1] == W * C * <Py_ssize_t> sizeof(x[0, 0, 0, 0]))

    if out.shape[0] != rows.shape[0] or moves.shape[0] != rows.shape[0] or moves.shape[1] != 3:
        raise ValueError("[assemble] out, moves: expected one row for each of rows, got other shapes")
    if out.shape[1] != H or out.shape[2] != W or out.shape[3] != C:
        raise ValueError("[assemble] out: expected examples of the shape of x, got another")
    if mean.shape[0] != H or mean.shape[1] != W or mean.shape[2] != C:
        raise ValueError("[assemble] mean: expected the shape of an example, got another")
    if std.shape[0] != H or std.shape[1] != W or std.shape[2] != C:
        raise ValueError("[assemble] std: expected the shape of an example, got another")
    if H == 0 or W == 0 or C == 0:
        raise ValueError("[assemble] x: expected non-empty examples, got an axis of size 0")
    for n in range(rows.shape[0]):
        if not 0 <= rows[n] < N:
            raise IndexError(f"[assemble] rows: expected indices 0 to {N - 1}, got {rows[n]}")
        if not (-H <= moves[n, 0] <= H and -W <= moves[n, 1] <= W):
            raise ValueError(f"[assemble] moves: expected shifts within the image, got {moves[n, 0]}, {moves[n, 1]}")

    with nogil:
        for n in range(rows.shape[0]):
            dy = moves[n, 0]
            dx = moves[n, 1]
            mirrored = moves[n, 2] != 0
            if whole and dy == 0 and dx == 0 and not mirrored:
                _normalise(&x[rows[n], 0, 0, 0], &mean[0, 0, 0], &std[0, 0, 0], &out[n, 0, 0, 0], H * W * C)
                continue
            # Columns first to last (before mirroring) come from inside the image.
            first = max(0, -dx)
            last = min(W, W - dx)
            for h in range(H):
                source_h = h + dy
                if source_h < 0 or source_h >= H or first >= last:
                    _fill(&out[n, h, 0, 0], W * C)
                elif mirrored:
                    for w in range(W):
                        source_w = W - 1 - w + dx
                        if source_w < 0 or source_w >= W:
                            _fill(&out[n, h, w, 0], C)
                        else:
                            for c in range(C):
                                out[n, h, w, c] = (
                                    <target_t> x[rows[n], source_h, source_w, c] - mean[source_h, source_w, c]
                                ) / std[source_h, source_w, c]
                elif adjacent:
                    _fill(&out[n, h, 0, 0], first * C)
                    _normalise(
                        &x[rows[n], source_h, first + dx, 0],
                        &mean[source_h, first + dx, 0],
                        &std[source_h, first + dx, 0],
                        &out[n, h, first, 0],
                        (last - first) * C,
                    )
                    if last < W:
                        _fill(&out[n, h, last, 0], (W - last) * C)
                else:
                    _fill(&out[n, h, 0, 0], first * C)
                    for w in range(first, last):
                        for c in range(C):
                            out[n, h, w, c] = (
                                <target_t> x[rows[n], source_h, w + dx, c] - mean[source_h, w + dx, c]
                            ) / std[source_h, w + dx, c]
                    if last < W:
                        _fill(&out[n, h, last, 0], (W - last) * C)
