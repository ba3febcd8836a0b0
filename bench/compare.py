"""Tables and picture of benchmark records: ``python -m bench.compare RECORD... [--docs PAGE]``."""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Comparison
from bench.targets import TARGETS, Target, geometric_mean

Record = dict[str, Any]
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NOT_MEASURED = "not measured"


def by_threads(records: Sequence[Record]) -> dict[int, list[Comparison]]:
    """Return the comparisons of all records by number of threads."""
    found: dict[int, list[Comparison]] = defaultdict(list)
    for record in records:
        for run in record["runs"]:
            found[run["threads"]] += [Comparison.from_record(item) for item in run["comparisons"]]
    return dict(sorted(found.items()))


def least_flattering(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return every comparison once, the worst first: of several measurements the one with the least ratio."""
    least: dict[str, Comparison] = {}
    for comparison in comparisons:
        known = least.setdefault(comparison.name, comparison)
        if comparison.claim() < known.claim():
            least[comparison.name] = comparison
    return sorted(least.values(), key=lambda c: (np.isnan(c.claim()), c.claim()))


def ratios(comparisons: Sequence[Comparison]) -> dict[str, list[float]]:
    """Return group to the ratios of what was timed, or weighed, against a rival."""
    found: dict[str, list[float]] = defaultdict(list)
    for group in dict.fromkeys(c.group for c in comparisons):
        for comparison in least_flattering([c for c in comparisons if c.group == group]):
            if comparison.rivals and comparison.unit != "x":
                found[group].append(comparison.claim())
    return found


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


# ---- tables ------------------------------------------------------------------------------------------------


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _limit(target: Target, limit: float | None) -> str:
    sign = "<=" if target.most else ">="
    return "" if limit is None else f"{sign} {limit:g}{target.unit}"


def target_rows(records: Sequence[Record]) -> list[list[str]]:
    """Return the table of targets: what was reached, by which worst case, and the verdict."""
    runs = by_threads(records)
    rows = [["what", "first bar", "goal"] + [_threads(n) for n in runs]]
    for target in TARGETS:
        cells = []
        for comparisons in runs.values():
            values = target.values(comparisons)
            if not values:
                cells.append(NOT_MEASURED)
                continue
            reached = target.reached(values)
            worst = "" if target.mean or len(values) == 1 else f" ({_key(values, reached)})"
            cells.append(f"{_number(reached)}{target.unit}{worst}, {target.verdict(reached)}")
        rows.append([target.what, _limit(target, target.bar), _limit(target, target.goal), *cells])
    return rows


def _key(values: dict[str, float], wanted: float) -> str:
    return next(name for name, value in values.items() if value == wanted)


def detail_rows(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """Return one row a comparison, the worst first; of several measurements the less flattering one."""
    rows = [["what", "ratio", "of minima", "ours", "best rival", "of FMA peak", "of copy", "error"]]
    for c in least_flattering(comparisons):
        ours = float(np.median(c.net()))
        rivals = f"{c.best_rival()}, {np.median(c.rivals[c.best_rival()]):.4g}" if c.rivals else ""
        ratios = [_number(c.ratio()), _number(c.ratio_of_minima())] if c.rivals else ["", ""]
        parts = ["" if np.isnan(part) else f"{part:.0%}" for part in (c.of_peak, c.of_copy)]
        rows.append(
            [c.name, *ratios, f"{ours:.4g} {c.unit}", rivals, *parts, f"{c.error:.0e}" if c.error else ""]
        )
    return rows


def step_rows(records: Sequence[Record]) -> list[list[str]]:
    """Return one row a net: the ratios of its whole training step, for each number of threads."""
    runs = {
        threads: {c.name: c for c in least_flattering(comparisons) if c.group == "step"}
        for threads, comparisons in by_threads(records).items()
    }
    rows = [["net and batch", *(title for n in runs for title in (_threads(n), "of minima"))]]
    for name in dict.fromkeys(name for found in runs.values() for name in found):
        rows.append([name.removeprefix("step ")])
        for found in runs.values():
            c = found.get(name)
            rows[-1] += [_number(c.ratio()), _number(c.ratio_of_minima())] if c else ["", ""]
    return rows


def group_rows(records: Sequence[Record]) -> list[list[str]]:
    """Return for every group the least ratio, the geometric mean and the number of comparisons."""
    runs = {threads: ratios(comparisons) for threads, comparisons in by_threads(records).items()}
    rows = [["group", *(f"{_threads(n)}: least, mean" for n in runs)]]
    for group in dict.fromkeys(group for found in runs.values() for group in found):
        cells = []
        for found in runs.values():
            of_group = found.get(group, [])
            means = f"{_number(min(of_group))}, {_number(geometric_mean(of_group))}" if of_group else ""
            cells.append(f"{means} of {len(of_group)}" if of_group else "")
        rows.append([group, *cells])
    return rows


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _markdown(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _left_out(records: Sequence[Record]) -> list[str]:
    return [
        f"{_threads(run['threads'])}, {name}: {why}"
        for record in records
        for run in record["runs"]
        for name, why in run["left_out"].items()
    ]


def text(records: Sequence[Record]) -> str:
    """Return everything for a terminal; of the targets those that were measured."""
    parts = ["ratio: the best rival's time / ours, the median of all rounds; above 1 fastnn is faster"]
    for threads, comparisons in by_threads(records).items():
        parts.append(f"{_threads(threads)}\n{_aligned(detail_rows(comparisons))}")
    header, *rows = target_rows(records)
    measured = [row for row in rows if set(row[3:]) != {NOT_MEASURED}]
    parts += [_aligned(group_rows(records)), _aligned([header, *measured]), "\n".join(_left_out(records))]
    return "\n\n".join(filter(None, parts))


def markdown(records: Sequence[Record]) -> str:
    """Return everything for the documentation."""
    where = records[-1]["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    parts = [
        f"Measured on {where['cpu']} ({where['isa']}) with {versions}, Python {where['python']}, "
        f"compiler {where['compiler']}, commit {where['commit']}.",
        "### Targets",
        _markdown(target_rows(records)),
        "### Whole training steps",
        "PyTorch's time divided by ours, the least flattering first.",
        _markdown(step_rows(records)),
        "### Everything",
        "![Ratios by group](performance.png)",
    ]
    for threads, comparisons in by_threads(records).items():
        title = f"{_threads(threads)}, worst first"
        table = _markdown(detail_rows(comparisons))
        parts.append(f"<details><summary>{title}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts)


# ---- picture -----------------------------------------------------------------------------------------------


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the ratio of every comparison, one line a group, one colour a thread count."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    runs = {threads: ratios(comparisons) for threads, comparisons in by_threads(records).items()}
    groups = list(dict.fromkeys(group for found in runs.values() for group in found))
    figure, axes = plt.subplots(figsize=(7.5, 0.32 * len(groups) + 1.2))
    for i, (threads, found) in enumerate(runs.items()):
        for group, of_group in found.items():
            line = groups.index(group) + 0.14 * (2 * i - len(runs) + 1)
            label = _threads(threads) if group == next(iter(found)) else None
            axes.scatter(of_group, [line] * len(of_group), s=14, alpha=0.6, lw=0, color=f"C{i}", label=label)
            axes.scatter(geometric_mean(of_group), line, s=60, marker="|", color=f"C{i}")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [
        t
        for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
        if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]
    ]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("best rival's time / ours: right of 1 fastnn is faster; a dash is the geometric mean")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1.0), ncols=len(runs) + 1, frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def update_docs(page: Path, records: Sequence[Record]) -> None:
    """Write the tables between the page's markers, and the picture beside it."""
    old = page.read_text()
    new = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{markdown(records)}\n{END}", old, flags=re.DOTALL)
    if BEGIN not in old or END not in old:
        raise ValueError(f"{page}: expected the markers {BEGIN} and {END}")
    page.write_text(new)
    draw(records, page.with_suffix(".png"))


def main() -> None:
    """Print the tables; write documentation where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description="Tables of benchmark records."
    )
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--docs", type=Path, help="page whose tables and picture to write")
    arguments = parser.parse_args()
    records = [json.loads(path.read_text()) for path in arguments.records]
    print(text(records))
    if arguments.docs is not None:
        update_docs(arguments.docs, records)


if __name__ == "__main__":
    main()
