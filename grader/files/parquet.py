"""Parquet files of others: the library believes what they say of themselves, and may then raise anything."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def read_parquet_frame(path: Path) -> pd.DataFrame:
    """A Parquet file as a table.

    Parameters
    ----------
    path : Path

    Returns
    -------
    DataFrame

    Raises
    ------
    OSError
        It cannot be opened.
    ValueError
        Its bytes make no table; one line says why.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.parquet"
    >>> pd.DataFrame({"a": [1]}).to_parquet(path)
    >>> read_parquet_frame(path)["a"].tolist()
    [1]
    >>> _ = path.write_bytes(b"PAR1")
    >>> read_parquet_frame(path)
    Traceback (most recent call last):
    ...
    ValueError: no readable Parquet file (...)
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # KeyError, TypeError, ArrowException: whatever the file's notes lead to
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise ValueError(f"no readable Parquet file ({reason})") from None
