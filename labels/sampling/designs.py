"""Which transcripts to label: sampling designs with exact inclusion probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.files.cells import unescape_formulas, write_csv
from grader.files.parquet import read_parquet_frame
from labels.sampling.allocation import allocate
from labels.sampling.rounds import DESIGN_COLUMNS, combine_rounds
from labels.sampling.strata import candidate_strata

if TYPE_CHECKING:
    import pyarrow as pa

# Words for drawn and not drawn.
_DRAWN = {word: True for word in ("true", "t", "yes", "y", "ja", "j", "1", "1.0")}
_DRAWN |= {word: False for word in ("false", "f", "no", "n", "nein", "0", "0.0")}
_GAPS = ["", "NA", "NaN", "nan", "None", "null", "<NA>"]


def draw_sample(
    candidates: pd.DataFrame,
    n: int,
    *,
    design: str = "uniform",
    round: int = 1,
    rng: np.random.Generator,
    harms: Sequence[str] | None = None,
    pilot: Mapping[str, float] | None = None,
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Draw `n` transcripts for labelling; one drawn set serves all harms.

    Parameters
    ----------
    candidates : DataFrame
        ``transcript_id`` of every transcript of the pool, in one row or several (per harm, per grader: a verdict
        frame will do). Beside it, by design:

        * ``uniform``: nothing; a simple random sample of the pool.
        * ``flagged-P``: ``P`` per cent of the labels on flagged transcripts (all of them if few), the rest on the
          others, each at random. Flagged is a transcript with any row whose ``flagged``, else ``present``, is true,
          else whose ``score`` is 0.5 or more; without flag, one with an unscored row is in stratum ``unscored``.
        * ``disagree-P``: ``P`` per cent of the labels where the graders disagree on some harm, 10 % where they agree to
          flag one, the rest on the others. Needs ``grader`` and two of them.
        * ``stratified``: ``stratum`` (else the flags as above); every stratum by its size.
        * ``neyman``: the same strata, by size times the standard deviation that `pilot` expects.
        * ``most-unlike-training``: ``unlikeness`` (larger is more unlike what the classifier saw); takes the largest.
          For finding cases: the others have inclusion probability 0, so no rate of the pool follows from it alone.
    n : int
        How many transcripts, 1 <= n <= pool.
    round : int
        Written into the frame.
    rng : numpy Generator
    harms : sequence of str, optional
        The harms that will be labelled; default those of ``candidates["harm"]``, else the shipped rubrics'.
    pilot : mapping, optional
        Stratum -> expected rate in [0, 1], for ``neyman``.
    earlier : DataFrame, optional
        The design frame of the rounds before. In a stratified design over the same strata, transcripts drawn
        before are not drawn again; otherwise the rounds are independent, and a transcript may be drawn again.

    Returns
    -------
    DataFrame
        The design frame over ALL candidates: ``transcript_id, harm, stratum, inclusion_probability, round, drawn``.
        The probability is this round's alone.

    Raises
    ------
    ValueError
        When an argument breaks its rule.

    Examples
    --------
    >>> pool = pd.DataFrame({"transcript_id": list("abcdefghij"), "flagged": [True] * 2 + [False] * 8})
    >>> rng = np.random.default_rng(1)
    >>> frame = draw_sample(pool, 4, design="flagged-25", rng=rng, harms=["leaking"])
    >>> frame.groupby("stratum")["inclusion_probability"].first().to_dict()
    {'flagged': 0.5, 'not flagged': 0.375}
    >>> int(frame["drawn"].sum())
    4
    """
    if round < 1:
        raise ValueError(f"round must fulfil round >= 1, got {round}.")
    pool = candidate_strata(candidates, design, n)
    free = ~_drawn_before(pool, earlier)
    if not 1 <= n <= free.sum():
        raise ValueError(f"n must fulfil 1 <= n <= {free.sum()} (transcripts to draw from), got {n}.")
    counts = allocate(pool[free].groupby("stratum", sort=True).size(), n, design, pilot)
    chosen = np.zeros(len(pool), dtype=bool)
    # By id, so that the order in which verdicts arrived draws no other sample.
    by_id = np.argsort(pool["transcript_id"].to_numpy(dtype=str), kind="stable")
    for stratum, count in counts.items():
        members = by_id[((pool["stratum"] == stratum) & free).to_numpy()[by_id]]
        chosen[rng.choice(members, size=count, replace=False)] = True
    sizes = pool.groupby("stratum").size()
    pi = pool["stratum"].map((pd.Series(counts) / sizes).fillna(0.0)).to_numpy(dtype=float)
    drawn = pool[["transcript_id", "stratum"]].assign(inclusion_probability=pi, round=round, drawn=chosen)
    names = list(harms) if harms is not None else _harms(candidates)
    return drawn.merge(pd.DataFrame({"harm": names}), how="cross")[list(DESIGN_COLUMNS)]


def _drawn_before(pool: pd.DataFrame, earlier: pd.DataFrame | None) -> NDArray[np.bool_]:
    """Which transcripts are not to be drawn again: those of earlier rounds, when the strata are the same."""
    nobody = np.zeros(len(pool), dtype=bool)
    if earlier is None:
        return nobody
    once = earlier.drop_duplicates("transcript_id").set_index("transcript_id")
    same = (
        set(once.index) == set(pool["transcript_id"])
        and (once["stratum"].reindex(pool["transcript_id"]).to_numpy() == pool["stratum"].to_numpy()).all()
    )
    return once["drawn"].reindex(pool["transcript_id"]).to_numpy(dtype=bool) if same else nobody


def _harms(candidates: pd.DataFrame) -> list[str]:
    if "harm" in candidates:
        return sorted(candidates["harm"].astype(str).unique())
    from grader.rubrics import load_rubrics

    return list(load_rubrics())


def read_design(path: Path | str) -> pd.DataFrame:
    """Read a design frame that was written beside tasks (CSV or Parquet), its rounds joined.

    Returns
    -------
    DataFrame
        As `draw_sample` made it: one row per candidate and harm, several rounds joined by
        `labels.sampling.rounds.combine_rounds`. Other columns stay.

    Raises
    ------
    InputError
        As `read_rounds`; rounds that do not fit together.
    """
    frame = read_rounds(path)
    item = [column for column in ("transcript_id", "harm") if column in frame]
    if not frame.duplicated(item).any():
        return frame
    others = [column for column in frame if column not in DESIGN_COLUMNS]
    try:
        return combine_rounds(frame).merge(frame[[*item, "round", *others]], how="left", on=[*item, "round"])
    except ValueError as error:
        raise InputError(str(error), file=path) from None


def read_rounds(path: Path | str) -> pd.DataFrame:
    """Read a design frame as it stands in its file.

    Returns
    -------
    DataFrame
        One row per candidate, harm and round.

    Raises
    ------
    InputError
        No such file, a missing column, a probability outside [0, 1].
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", file=path)
    try:
        is_parquet = path.suffix == ".parquet"
        frame = read_parquet_frame(path) if is_parquet else _read_csv(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot be read as a design frame: {str(error).splitlines()[0]}", file=path) from None
    checked = checked_design(frame, path)
    return checked.assign(transcript_id=checked["transcript_id"].astype(str))


def checked_design(frame: pd.DataFrame, file: Path | None = None) -> pd.DataFrame:
    """A design frame with probabilities as numbers and draws as booleans.

    Raises
    ------
    InputError
        A missing column, a probability outside [0, 1] or (of a drawn row) 0 or missing, a word for drawn that is
        neither yes nor no, two rows on one transcript, harm and round.
    """
    missing = [c for c in ("transcript_id", "inclusion_probability", "drawn") if c not in frame]
    if missing:
        raise InputError(f"a design frame needs {', '.join(DESIGN_COLUMNS)}; no {missing[0]!r}", file=file)
    pi = pd.to_numeric(frame["inclusion_probability"], errors="coerce")
    drawn = frame["drawn"] if frame["drawn"].dtype == bool else _booleans(frame, file)
    _refuse(~((pi >= 0) & (pi <= 1)), frame, "inclusion_probability must fulfil 0 <= p <= 1", file)
    _refuse(drawn & (pi == 0), frame, "a drawn transcript must have an inclusion_probability above 0", file)
    item = [column for column in ("transcript_id", "harm", "round") if column in frame]
    twice = frame.duplicated(item)
    if twice.any():
        row = frame.iloc[int(twice.to_numpy().argmax())]
        which = ", ".join(f"{column} {row[column]}" for column in item[1:])
        reason = f"two rows{f' of {which}' if which else ''}: was the file joined to itself?"
        raise InputError(reason, file=file, record=f"transcript {row['transcript_id']!r}")
    return frame.assign(inclusion_probability=pi, drawn=drawn)


def _refuse(bad: pd.Series, frame: pd.DataFrame, rule: str, file: Path | None) -> None:
    if bad.any():
        row = frame.iloc[int(bad.to_numpy().argmax())]
        reason = f"{rule}, got {row['inclusion_probability']}"
        raise InputError(reason, file=file, record=f"transcript {row['transcript_id']!r}")


def _booleans(frame: pd.DataFrame, file: Path | None) -> pd.Series:
    words = frame["drawn"].astype(str).str.strip().str.casefold()
    unknown = ~words.isin(_DRAWN)
    if unknown.any():
        row = frame.iloc[int(unknown.to_numpy().argmax())]
        reason = f"drawn must be true or false (yes/no, y/n, t/f, ja/nein, 1/0), got {row['drawn']!r}"
        raise InputError(reason, file=file, record=f"transcript {row['transcript_id']!r}")
    return words.map(_DRAWN).astype(bool)


def _read_csv(path: Path) -> pd.DataFrame:
    """A transcript or harm may be called NA; elsewhere that is a gap. Probabilities come back to the last bit."""
    names, exact = ("transcript_id", "harm"), "inclusion_probability"
    texts = ("stratum", "grader", "grader_version")  # version 1.10 is not 1.1
    columns = pd.read_csv(path, nrows=0).columns
    gaps = {c: [] if c in names else _GAPS for c in columns}
    kinds = dict.fromkeys((*names, *texts, exact), str)
    frame = unescape_formulas(pd.read_csv(path, dtype=kinds, na_values=gaps, keep_default_na=False))
    if exact in frame:
        with suppress(ValueError):  # what is no number is told where probabilities are checked
            frame[exact] = frame[exact].to_numpy(dtype=object).astype(np.float64)
    return frame


def write_design(design: pd.DataFrame, path: Path | str) -> None:
    """Write a design frame as CSV, or as Parquet when the name ends so; whole or not at all."""
    with written_whole(Path(path)) as partial:
        if Path(path).suffix == ".parquet":
            design.to_parquet(partial, index=False)
        else:
            write_csv(design, partial)


def write_design_parts(parts: Iterable[pa.Table], path: Path | str) -> None:
    """Write the design frame of a large pool as Parquet, one part in memory at a time; whole or not at all.

    Parameters
    ----------
    parts : iterable of Arrow tables
        With the same columns; at least one.
    path : path
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rest = iter(parts)
    first = next(rest)
    plain = [f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in first.schema]
    schema = pa.schema(plain).remove_metadata()
    with written_whole(Path(path)) as partial, pq.ParquetWriter(partial, schema) as writer:
        for part in chain([first], rest):
            writer.write_table(part.cast(schema))
