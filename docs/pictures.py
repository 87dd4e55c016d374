"""Draws the pictures of the explanation from the library itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

METHODS = ("apparent", "ppi", "aipw", "human-only", "post-stratified", "likelihood-ratio")
RATE, POOL, LABELS, SETS = 0.01, 5000, 200, 400


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: draw(Path(app.srcdir) / "pictures"))
    return {"parallel_read_safe": True}


def draw(folder: Path) -> None:
    """Write every picture that is not there yet."""
    import matplotlib as mpl

    mpl.use("svg")
    folder.mkdir(exist_ok=True)
    for name, picture in {"piles": _piles, "coverage": _coverage, "zero": _zero}.items():
        path = folder / f"{name}.svg"
        if not path.exists():
            picture().savefig(path, bbox_inches="tight", metadata={"Date": None})


def _piles():  # noqa: ANN202 - a matplotlib figure
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2))
    axes = figure.subplots()
    left = 0
    for name, size, n, y in (("flagged", 450, 50, 34), ("not flagged", 4550, 150, 2)):
        width = size / POOL
        axes.barh(0, width - 0.004, left=left, color="#cfd8dc" if y < n / 2 else "#ffccbc", height=0.6)
        label = f"{name}: {size} runs\n{n} labelled, {y} harmful"
        axes.text(
            left + (width / 2 if width > 0.3 else 0), -0.62, label, ha="center" if width > 0.3 else "left", va="top"
        )
        axes.barh(0, n / POOL, left=left, color="#546e7a", height=0.6)
        left += width
    axes.set(xlim=(0, 1), ylim=(-1.5, 0.5))
    axes.axis("off")
    return figure


def _coverage():  # noqa: ANN202
    import warnings

    import numpy as np
    from matplotlib.figure import Figure

    from calibration import estimate_rate

    rng, held = np.random.default_rng(1), dict.fromkeys(METHODS, 0)
    for _ in range(SETS):
        truth = rng.random(POOL) < RATE
        side = np.where(truth, rng.random(POOL) < 0.8, rng.random(POOL) < 0.05).astype(float)
        y = np.full(POOL, np.nan)
        drawn = rng.choice(POOL, LABELS, replace=False)
        y[drawn] = truth[drawn]
        for method in METHODS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = estimate_rate(y, side, inclusion_probability=np.full(POOL, LABELS / POOL), method=method)
            held[method] += found.low <= RATE <= found.high
    figure = Figure(figsize=(7, 2.6))
    axes = figure.subplots()
    shares = [held[method] / SETS for method in METHODS]
    axes.barh(METHODS, shares, color=["#ffab91" if share < 0.92 else "#90a4ae" for share in shares])
    axes.axvline(0.95, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel=f"share of {SETS} simulated campaigns whose 95 % interval held the true rate of 1 %")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _zero():  # noqa: ANN202
    import numpy as np
    from matplotlib.figure import Figure

    from calibration.rates.intervals import clopper_pearson

    n = np.unique(np.geomspace(20, 5000, 60).round())
    figure = Figure(figsize=(7, 2.6))
    axes = figure.subplots()
    axes.loglog(n, clopper_pearson(np.zeros(len(n)), n)[1], color="#37474f")
    axes.set(xlabel="labels, none of them harmful", ylabel="upper 95 % limit")
    axes.set_yticks([0.1, 0.03, 0.01, 0.003, 0.001], ["10 %", "3 %", "1 %", "0.3 %", "0.1 %"])
    axes.set_xticks([20, 50, 100, 300, 1000, 5000], ["20", "50", "100", "300", "1,000", "5,000"])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    return figure
