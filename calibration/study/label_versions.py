"""Whether labels were collected under another version of a grader than the verdicts they calibrate."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from calibration.study.design import Design


def other_versions(verdicts: pd.DataFrame, design: Design) -> Iterator[str]:
    """A sentence for each grader by whose verdicts a sample was drawn, and which is another version now.

    Parameters
    ----------
    verdicts : verdict frame
    design : design frame
        ``grader`` and ``grader_version`` say whose verdicts were there when the sample was drawn; a frame without
        them (or with gaps) says nothing, and verdicts without a version are taken as they are.

    Notes
    -----
    A rate stays true: labels do not depend on the judge. But what raters saw was drawn by the old verdicts, and
    nobody looked at what the new version does differently.
    """
    if not isinstance(design, pd.DataFrame) or not {"grader", "grader_version"} <= set(design):
        return
    drawn = design.dropna(subset=["grader", "grader_version"])
    for grader, own in drawn.groupby(drawn["grader"].astype(str), sort=True):
        then = {version for told in own["grader_version"].unique() for version in str(told).split()}
        there = verdicts.loc[verdicts["grader"] == grader, "grader_version"]
        now = {str(version) for version in there.dropna() if version}
        if there.empty:
            yield f"Labels were drawn by verdicts of {grader}, which has none here."
        elif then and now and now != then:
            before, after = (", ".join(sorted(versions)) for versions in (then, now))
            yield (
                f"Labels were collected under another version of {grader} ({before}) than the verdicts they "
                f"calibrate ({after})."
            )
