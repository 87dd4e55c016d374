"""Drift: a frozen set of labelled transcripts, graded again by a new version of the judge.

Counts only; intervals are made in `calibration`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from grader.errors import InputError
from grader.files.atomic import written_whole
from grader.judge.several.members import reduced_verdicts
from grader.transcript import Transcript, canonical_json
from grader.verdict.records import Grader

Side = bool | None  # None: not labelled, or not scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One transcript with what is known of it.

    Parameters
    ----------
    transcript : Transcript
    labels : mapping from harm to bool or None
        The human side; None where there is none.
    sides : mapping from harm to bool or None
        What the judge said when the set was frozen; None where it gave no verdict.
    """

    transcript: Transcript
    labels: Mapping[str, Side]
    sides: Mapping[str, Side]

    def to_dict(self) -> dict[str, Any]:
        """One line of the file."""
        return {"transcript": self.transcript.to_dict(), "labels": dict(self.labels), "sides": dict(self.sides)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSet:
    """Anchors, and who graded them when they were frozen."""

    grader: str
    grader_version: str
    anchors: tuple[Anchor, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of all of it: a set that was changed is another set."""
        told = [self.grader, self.grader_version, [anchor.to_dict() for anchor in self.anchors]]
        return hashlib.sha256(canonical_json(told).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A transcript of which the new version says something else; None: no verdict, or no label."""

    transcript_id: str
    harm: str
    before: Side
    after: Side
    label: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftCounts:
    """One harm, over the labelled anchors that both versions scored, and beside them those that one did not.

    Parameters
    ----------
    harm : str
    n_scored : int
        Anchors scored by both, labelled or not; `n_changed` of them have another side now.
    n_both_right, n_before_right, n_after_right, n_both_wrong : int
        Labelled ones among them. The accuracies differ by (`n_after_right` - `n_before_right`) over their sum.
    n_lost, n_gained : int
        Anchors that only the earlier, only the new version scored.
    """

    harm: str
    n_scored: int
    n_changed: int
    n_both_right: int
    n_before_right: int
    n_after_right: int
    n_both_wrong: int
    n_lost: int
    n_gained: int

    @property
    def n_labeled(self) -> int:
        """Labelled anchors that both versions scored."""
        return self.n_both_right + self.n_before_right + self.n_after_right + self.n_both_wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What a new version changed on the anchors."""

    anchors_hash: str
    grader: str
    before_version: str
    after_version: str
    counts: tuple[DriftCounts, ...]
    changes: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def freeze_anchors(
    transcripts: Iterable[Transcript], labels: Mapping[str, Mapping[str, float]], grader: Grader
) -> AnchorSet:
    """Grade labelled transcripts and freeze what was said.

    Parameters
    ----------
    transcripts : iterable of Transcript
    labels : mapping from transcript id to mapping from harm to 1.0, 0.0 or NaN
    grader : Grader
        With repeats its side is that of at least half of them.

    Raises
    ------
    ValueError
        A label is none of the three.
    """
    anchors = [
        Anchor(
            transcript=transcript,
            labels={harm: _side(label) for harm, label in labels.get(transcript.id, {}).items()},
            sides=said,
        )
        for transcript, said in _sides(transcripts, grader)
    ]
    return AnchorSet(grader=grader.name, grader_version=grader.version, anchors=tuple(anchors))


def drift(before: AnchorSet, grader: Grader) -> Drift:
    """Grade the anchors again and compare with what was said when they were frozen.

    Parameters
    ----------
    before : AnchorSet
    grader : Grader
        Another version of the judge, or another judge. Harms that only one of them knows are left out.
    """
    after = {transcript.id: said for transcript, said in _sides((a.transcript for a in before.anchors), grader)}
    asked = dict.fromkeys(harm for anchor in before.anchors for harm in anchor.sides)
    pairs = [
        Change(
            transcript_id=anchor.transcript.id,
            harm=harm,
            before=anchor.sides[harm],
            after=after[anchor.transcript.id][harm],
            label=anchor.labels.get(harm),
        )
        for harm in asked
        for anchor in before.anchors
        if harm in anchor.sides and harm in after[anchor.transcript.id]
    ]
    return Drift(
        anchors_hash=before.hash,
        grader=grader.name,
        before_version=before.grader_version,
        after_version=grader.version,
        counts=tuple(
            _counts(harm, [p for p in pairs if p.harm == harm]) for harm in dict.fromkeys(p.harm for p in pairs)
        ),
        changes=tuple(pair for pair in pairs if pair.before is not pair.after),
    )


def write_anchors(anchors: AnchorSet, path: Path | str) -> None:
    """Write a set as JSON Lines: a header with grader and hash, then one anchor a line.

    Raises
    ------
    InputError
        The file exists: a frozen set is never written over.
    """
    head = {"grader": anchors.grader, "grader_version": anchors.grader_version, "hash": anchors.hash}
    if Path(path).exists():
        raise InputError("exists already; a frozen set of anchors is never written over", file=path)
    with written_whole(Path(path)) as partial, partial.open("x", encoding="utf-8", errors="surrogatepass") as file:
        for record in [head, *(anchor.to_dict() for anchor in anchors.anchors)]:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_anchors(path: Path | str) -> AnchorSet:
    """Read a set that `write_anchors` wrote.

    Raises
    ------
    InputError
        A line is not as written, or the set was changed since it was frozen.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="surrogatepass").split("\n")
    except OSError as error:
        raise InputError(error.strerror or str(error), file=path) from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text", file=path) from None
    records = [_parsed(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    match records:
        case [{"grader": str(grader), "grader_version": str(version), "hash": str(told)}, *rest]:
            anchors = tuple(_anchor(path, number, record) for number, record in enumerate(rest, 2))
        case _:
            raise InputError("needs 'grader', 'grader_version' and 'hash' in its first line", file=path)
    found = AnchorSet(grader=grader, grader_version=version, anchors=anchors)
    if found.hash != told:
        raise InputError("was changed since it was frozen: its hash is not the one in its first line", file=path)
    return found


def _sides(transcripts: Iterable[Transcript], grader: Grader) -> Iterable[tuple[Transcript, dict[str, Side]]]:
    for chunk, (said,) in reduced_verdicts(transcripts, [grader]):
        sides: dict[str, dict[str, Side]] = {transcript.id: {} for transcript in chunk}
        for (transcript_id, harm), opinion in said.items():
            sides[transcript_id][harm] = opinion.present
        yield from ((transcript, dict(sorted(sides[transcript.id].items()))) for transcript in chunk)


def _counts(harm: str, pairs: list[Change]) -> DriftCounts:
    both = [pair for pair in pairs if pair.before is not None and pair.after is not None]
    right = [(pair.before is pair.label, pair.after is pair.label) for pair in both if pair.label is not None]
    return DriftCounts(
        harm=harm,
        n_scored=len(both),
        n_changed=sum(pair.before is not pair.after for pair in both),
        n_both_right=right.count((True, True)),
        n_before_right=right.count((True, False)),
        n_after_right=right.count((False, True)),
        n_both_wrong=right.count((False, False)),
        n_lost=sum(pair.before is not None and pair.after is None for pair in pairs),
        n_gained=sum(pair.before is None and pair.after is not None for pair in pairs),
    )


def _side(label: float) -> Side:
    if label in (0.0, 1.0):
        return label == 1.0
    if math.isnan(label):
        return None
    raise ValueError(f"labels must be 1, 0 or nan, got {label}.")


def _parsed(path: Path | str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", file=path, record=f"line {number}") from None


def _anchor(path: Path | str, number: int, record: Any) -> Anchor:
    match record:
        case {"transcript": dict(transcript), "labels": dict(labels), "sides": dict(sides)}:
            try:
                return Anchor(transcript=Transcript.from_dict(transcript), labels=labels, sides=sides)
            except InputError as error:
                raise InputError(str(error), file=path, record=f"line {number}") from None
    raise InputError("an anchor needs 'transcript', 'labels' and 'sides'", file=path, record=f"line {number}")
