"""Human labels as a validation set of Scout's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grader.files.atomic import written_whole

if TYPE_CHECKING:
    from labels import LabelSet


def write_validation_set(labels: LabelSet, path: str | Path, harms: Sequence[str] | None = None) -> int:
    """Write the consensus of `labels` as a CSV that ``scout scan -V harms:FILE`` holds our scanner's results against.

    Parameters
    ----------
    labels : LabelSet
    path : path
        ``id, label_HARM, ...``: one row per transcript with a definite consensus on every harm.
    harms : sequence of str, optional
        Default: all that were labelled.

    Returns
    -------
    int
        How many transcripts it holds. Ties, and transcripts that were not labelled for some harm, are left out: Scout
        has no word for them.

    Examples
    --------
    >>> import tempfile
    >>> from labels import LabelSet
    >>> rows = [("a", "leaking", "ana", 1.0), ("b", "leaking", "ana", 1.0), ("b", "leaking", "bo", 0.0)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.csv")
    ...     n = write_validation_set(LabelSet.from_rows(rows), path)
    ...     n, path.read_text().splitlines()
    (1, ['id,label_leaking', 'a,true'])
    """
    wanted = list(harms or labels.harms)
    table = labels.consensus().pivot(index="transcript_id", columns="harm", values="y").reindex(columns=wanted)
    table = table[table.isin([0.0, 1.0]).all(axis=1)]
    told = table.eq(1.0).replace({True: "true", False: "false"}).add_prefix("label_")
    with written_whole(Path(path)) as partial:
        told.rename_axis("id").rename_axis(columns=None).to_csv(partial)
    return len(told)
