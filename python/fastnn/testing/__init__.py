"""Tools that judge an operation: a gradient check, tolerances, awkward memory layouts, a table of cases.

`fastnn.testing.gradcheck` is for everybody who writes a layer. `fastnn.testing.cases` has one row an
operation, from which the package's own tests and benchmarks follow.
"""
