"""No transcript twice: equal ids are an error, and a run that stands in several logs counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

from grader.errors import InputError
from grader.readers.ledger import COPY, OLDER, ReadingLedger
from grader.readers.seen_ids import SeenIds
from grader.transcript import Transcript

REMEDY = "--id-from path makes ids of the files' paths"


class Uniqueness:
    """Decides which transcripts count.

    Parameters
    ----------
    ledger : ReadingLedger
        Learns of the copies that don't.
    strict : bool
        Whether a copy is an error.
    again : callable
        Reads ids and places once more, for an id that was read long ago.
    """

    def __init__(self, ledger: ReadingLedger, *, strict: bool, again: Callable[[], Iterator[tuple[str, str]]]) -> None:
        self._ledger = ledger
        self._strict = strict
        self._again = again
        self._seen = SeenIds()
        self._runs: dict[bytes, tuple[bytes, str]] = {}  # digest of a run's identity -> of its content, file
        self._n = 0

    def admits(self, transcript: Transcript, file: str, number: int, identity: str | None) -> bool:
        """Whether a transcript counts; not when its run was read before from another log.

        Raises
        ------
        InputError
            Its id is that of another transcript; or, with ``strict``, it is a copy.
        """
        if identity is not None and self._is_copy(transcript, identity, file):
            return False
        place = self._seen.place(transcript.id)
        if place is None and self._seen.may_hold(transcript.id):
            place = self._place_again(transcript.id)
        if place is not None:
            reason = f"id {transcript.id!r} is already that of {place}; {REMEDY}"
            raise InputError(reason, file=file, record=f"transcript {number}")
        self._seen.add(transcript.id, f"{file}: transcript {number}")
        self._n += 1
        return True

    def _is_copy(self, transcript: Transcript, identity: str, file: str) -> bool:
        key = _digest(identity)
        content = _digest(transcript.content_hash)
        counted = self._runs.setdefault(key, (content, file))
        if counted[1] == file and counted[0] is content:
            return False
        same = counted[0] == content
        line = f"{file}: run {transcript.id!r} is also in {counted[1]}, " + (
            "with the same content: counted once" if same else "a newer attempt, which counts instead"
        )
        if self._strict:
            raise InputError(line.removeprefix(f"{file}: "), file=file)
        self._ledger.count(COPY if same else OLDER, line)
        return True

    def _place_again(self, id_: str) -> str | None:
        """Where the id was read before; None where only the hashes are equal."""
        for number, (earlier, place) in enumerate(self._again()):
            if number >= self._n:
                return None
            if earlier == id_:
                return place
        return "standard input"


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
