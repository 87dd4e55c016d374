"""How often is there harm, and how sure are we? Labels, graders' sides and the design in, a rate out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from calibration.checks import FloatArray, check_choice, check_counts, check_level, check_share
from calibration.rates.intervals import Upper
from calibration.rates.methods import COMPARATORS, METHODS, Method, RateSettings, rules_of, why_not_likelihood_ratio
from calibration.rates.notes import rate_notes
from calibration.rates.strata import KNOWN_ZERO, StrataCounts, count_strata, is_unscored
from calibration.rates.undecided import undecided_share
from calibration.records import RateEstimate, Stratum, Target

Design = Literal["stratified", "uniform"]

# Above this share of the pool in strata without a label no point estimate is printed.
MAX_UNLABELED_WEIGHT = 0.05


def estimate_rate(  # noqa: PLR0913
    y: ArrayLike,
    score: ArrayLike | None = None,
    *,
    stratum: ArrayLike | None = None,
    inclusion_probability: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    known_zero: ArrayLike | None = None,
    frequency: ArrayLike | None = None,
    undecided: ArrayLike | None = None,
    target: Target = "scenarios",
    method: Method = "post-stratified",
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
    upper: Upper = "guarded",
) -> RateEstimate:
    """Harm rate of a pool of graded transcripts, some of them labelled by humans.

    The graders only sort the pool into strata; the rate rests on the human labels. So a bad grader costs width,
    never validity.

    Parameters
    ----------
    y : array-like of shape (n_transcripts,)
        Human label in [0, 1] (fractions are vote shares), nan = not labelled.
    score : array-like of shape (n_transcripts,) or (n_transcripts, n_graders), optional
        Grader scores or sides in [0, 1], nan = unscored; column 0 is the judge. One score is cut at 0.5 into
        ``flagged`` and ``not flagged``; unscored transcripts are a stratum of their own. With several columns the
        judge alone makes the strata, unless it flags at least 20 % and every cell of judge x second column holds at
        least 20 labels. Further columns are not used. Never pass scores of a model that was fitted on these labels
        unless they are out of fold.
    stratum : array-like of shape (n_transcripts,), optional
        Strata of the sampling design; overrides `score`. A missing value means ``unscored``.
    inclusion_probability : array-like of shape (n_transcripts,), optional
        Probability with which each transcript was drawn for labelling, in (0, 1]; needed for labelled ones. One
        value for all declares a uniform design.
    cluster : array-like of shape (n_transcripts,), optional
        Scenario of each transcript; needed for target ``new-scenarios``.
    known_zero : array-like of bool of shape (n_transcripts,), optional
        Transcripts that are harmless by definition: they count in the pool and add nothing else.
    frequency : array-like of int of shape (n_transcripts,), optional
        How many transcripts each row stands for, at least 1 (default: one each). Of a pool too large for memory, equal
        rows are counted once; the answer is that of the rows repeated.
    undecided : array-like of bool of shape (n_transcripts,), optional
        Transcripts that were drawn for labelling and have no definite label (unsure, skipped, not labelled). `bounds`
        count them as harmless, as harmful; more than 5 % of a stratum widen the interval as unlabelled weight.
    target : {"scenarios", "pool", "new-scenarios"}
        Rate of the process behind the pool, of these very transcripts, or over scenarios nobody wrote yet.
    method : {"post-stratified", "likelihood-ratio", "apparent", "human-only", "rogan-gladen", "ppi", "aipw"}
        The last five are comparators: what one would have got elsewhere.
    confidence_level : float in (0, 1)
    assumed_icc : float in [0, 1]
        Assumed correlation of outcomes inside a scenario, for target ``new-scenarios``.
    upper : {"guarded", "jeffreys", "clopper-pearson"}
        Upper limit inside each stratum (method ``post-stratified``).

    Returns
    -------
    RateEstimate
        `rate` is nan when nothing was labelled or more than 5 % of the pool lies in strata without labels; `low` and
        `high` then still hold. `bounds` is the point estimate with every transcript that has neither verdict nor label
        (and every stratum without labels) counted as harmless, as harmful. Notes say what the number assumes.

    Raises
    ------
    ValueError
        Values outside their range, lengths that differ, a labelled transcript with inclusion probability 0, an
        unknown word.

    References
    ----------
    Zou & Donner (2008), Stat. Med. 27:1693 (MOVER); Korn & Graubard (1998), Surv. Methodol. 24:193 (clusters).

    Examples
    --------
    >>> import numpy as np
    >>> score = np.repeat([1.0, 0.0], [200, 1000])
    >>> y = np.full(1200, np.nan)
    >>> y[:40], y[200:360] = np.arange(40) < 28, np.arange(160) < 3
    >>> estimate = estimate_rate(y, score)
    >>> print(f"{estimate.rate:.4f} {estimate.low:.4f} {estimate.high:.4f}")
    0.1323 0.0988 0.1681
    """
    settings = _settings(target, method, confidence_level, assumed_icc, upper)
    if target == "new-scenarios" and cluster is None:
        msg = "cluster must be given for target 'new-scenarios', got None."
        raise ValueError(msg)
    count = partial(
        count_strata,
        y,
        score,
        stratum=stratum,
        inclusion_probability=inclusion_probability,
        cluster=cluster,
        known_zero=known_zero,
        frequency=frequency,
        undecided=undecided,
    )
    counts = count(rule=rules_of(method)[0])
    for rule in rules_of(method)[1:]:
        if not why_not_likelihood_ratio(counts, settings):
            break
        counts = count(rule=rule)
    return _estimate(counts, method, settings)


def rate_from_counts(  # noqa: PLR0913
    n_transcripts: ArrayLike,
    n_labeled: ArrayLike,
    n_harmful: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    known_zero: int = 0,
    n_tied: ArrayLike | None = None,
    design: Design = "stratified",
    target: Target = "scenarios",
    method: Method = "post-stratified",
    confidence_level: float = 0.95,
    assumed_icc: float = 0.2,
    upper: Upper = "guarded",
) -> RateEstimate:
    """The same rate from counts per stratum, for pools whose rows are counted elsewhere.

    Parameters
    ----------
    n_transcripts, n_labeled, n_harmful : array-like of shape (n_strata,) or (n_strata, n_scenarios)
        Pool, labelled and harmful counts. The second shape is needed for target ``new-scenarios``.
    names : sequence of str, optional
        ``unscored`` names the stratum without a verdict, ``flagged`` and ``not flagged`` (the default for two strata)
        the graders' sides; other names are free.
    known_zero : int >= 0
        Transcripts harmless by definition, counted on top of the strata.
    n_tied : array-like of the same shape, optional
        How many labels are ties (1/2), where all others are 0 or 1; without it fractional counts are other fractions.
    design : {"stratified", "uniform"}
        ``uniform`` joins a scored stratum without labels to its neighbour; ``stratified`` adds its weight to `high`.
    target, method, confidence_level, assumed_icc, upper
        As in `estimate_rate`.

    Returns
    -------
    RateEstimate

    Examples
    --------
    >>> estimate = rate_from_counts([200, 1000], [40, 160], [28, 3])
    >>> print(f"{estimate.rate:.4f} {estimate.low:.4f} {estimate.high:.4f}")
    0.1323 0.0988 0.1681
    """
    settings = _settings(target, method, confidence_level, assumed_icc, upper)
    check_choice("design", design, Design)
    size, n, y = (np.asarray(a, dtype=np.float64) for a in (n_transcripts, n_labeled, n_harmful))
    if not (size.shape == n.shape == y.shape and size.ndim in (1, 2) and size.size):
        msg = f"n_transcripts, n_labeled and n_harmful must share one shape, got {size.shape}, {n.shape}, {y.shape}."
        raise ValueError(msg)
    check_counts(size, n, n_name="n_transcripts", x_name="n_labeled")
    check_counts(n, y, n_name="n_labeled", x_name="n_harmful")
    if known_zero < 0 or size.sum() <= 0:
        msg = f"n_transcripts must sum to more than 0 and known_zero be at least 0, got {size.sum()} and {known_zero}."
        raise ValueError(msg)
    if target == "new-scenarios" and size.ndim == 1:
        msg = f"n_transcripts must have shape (n_strata, n_scenarios) for target 'new-scenarios', got {size.shape}."
        raise ValueError(msg)
    whole = bool(np.allclose(y, np.round(y), rtol=0, atol=1e-9))
    tied = np.full(size.shape, 0.0 if whole else np.nan) if n_tied is None else np.asarray(n_tied, dtype=np.float64)
    if tied.shape != size.shape:
        msg = f"n_tied must have the shape of n_transcripts, {size.shape}, got {tied.shape}."
        raise ValueError(msg)
    counts = _named_counts((size, n, y, tied), names, known_zero, design)
    return _estimate(counts, method, settings)


def _named_counts(
    arrays: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    names: Sequence[str] | None,
    known_zero: int,
    design: Design,
) -> StrataCounts:
    size, n, y, tied = arrays
    k = len(size)
    default = ["all"] if k == 1 else ["flagged", "not flagged"] if k == 2 else [f"stratum {i + 1}" for i in range(k)]
    names = default if names is None else [str(name) for name in names]
    if len(names) != k or len(set(names)) != k:
        msg = f"names must be {k} different names, got {names}."
        raise ValueError(msg)
    says = {"flagged": 1.0, "not flagged": 0.0}
    scored = ~is_unscored(names)
    zeros = np.asarray(float(known_zero)) if size.ndim == 1 else np.r_[float(known_zero), np.zeros(size.shape[1] - 1)]
    counts = StrataCounts(
        names=tuple(names),
        n_transcripts=size,
        n_labeled=n,
        n_harmful=y,
        n_tied=tied,
        flagged=np.array([says.get(name, np.nan) for name in names]),
        known_zero=zeros,
        n_scored=round(float(size[scored].sum())) + known_zero if k > 1 else 0,
        labels=round(float(n.sum())),
        harmful=float(y.sum()),
        harmless=float((n - y).sum()),
        design=design,
    )
    return counts.merged() if design == "uniform" else counts


def _settings(
    target: Target, method: Method, confidence_level: float, assumed_icc: float, upper: Upper
) -> RateSettings:
    check_choice("target", target, Target)
    check_choice("method", method, Method)
    check_choice("upper", upper, Upper)
    check_level(confidence_level)
    check_share("assumed_icc", assumed_icc)
    return RateSettings(target=target, confidence_level=confidence_level, assumed_icc=assumed_icc, upper=upper)


def _estimate(counts: StrataCounts, method: Method, settings: RateSettings) -> RateEstimate:
    """Limits by the method, cut at what the labels confirmed, with everything a reader must know beside them."""
    limits, notes, used = METHODS[method](counts, settings)
    flat = counts.marginal()
    total = flat.total
    rate, low, high = (float(v) for v in limits)
    if method not in COMPARATORS:
        unlabeled = float(flat.n_transcripts[flat.n_labeled == 0].sum()) / total
        known = flat.labels > 0 and unlabeled <= MAX_UNLABELED_WEIGHT
        rate = rate / (1 - unlabeled) if known else np.nan
    if settings.target == "pool":
        confirmed = flat.harmful / total
        # With every transcript labelled both are one number, reached by different sums.
        possible = max(confirmed, (total - flat.harmless - float(flat.known_zero)) / total)
        low, high = (float(v) for v in np.clip([low, high], confirmed, possible))
    estimate = RateEstimate(
        rate=rate,
        low=low,
        high=high,
        confidence_level=settings.confidence_level,
        target=settings.target,
        method=used,
        n_transcripts=total,
        n_scored=flat.n_scored,
        n_labeled=flat.labels,
        n_harmful=flat.harmful,
        strata=_strata(flat),
        bounds=_bounds(flat),
    )
    return replace(estimate, notes=(*notes, *rate_notes(counts, estimate, settings)))


def _strata(flat: StrataCounts) -> tuple[Stratum, ...]:
    rows = zip(flat.names, flat.n_transcripts, flat.n_labeled, flat.n_harmful, strict=True)
    strata = [
        Stratum(name=name, n_transcripts=round(float(size)), n_labeled=float(n), n_harmful=float(y))
        for name, size, n, y in rows
    ]
    if flat.known_zero:
        zeros = round(float(flat.known_zero))
        strata.append(Stratum(name=KNOWN_ZERO, n_transcripts=zeros, n_labeled=0.0, n_harmful=0.0))
    return tuple(strata)


def _bounds(flat: StrataCounts) -> tuple[float, float]:
    """The estimate with every transcript that nobody judged counted as harmless, then as harmful.

    Nobody judged it: no verdict and no label. Scored strata enter with their labelled rate; one without labels says
    nothing and is counted both ways. Without any grader all transcripts are unscored. What raters could not decide
    is counted both ways, too.
    """
    n, y, size = flat.n_labeled, flat.n_harmful, flat.n_transcripts
    extrapolated = (n > 0) & ~is_unscored(flat.names)
    if flat.n_scored == 0:
        extrapolated[:] = False
    p, open_ = np.divide(y, n, out=np.zeros(len(n)), where=n > 0), undecided_share(flat)
    least = np.where(extrapolated, size * (1 - open_) * p, y)
    most = np.where(extrapolated, size * ((1 - open_) * p + open_), size - (n - y))
    return float(least.sum() / flat.total), float(most.sum() / flat.total)
