"""What benchmarks found, in one table: rows that know their command, day and machine, and how they did last time."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["less", "more", "neither"]
# Of the last value; what is worse by more is told.
SLACK = 0.10
COLUMNS = ("part", "what", "value", "against", "ratio", "promise", "command", "day", "on")
_ROWS, _END = "<!-- rows -->", "<!-- end of rows -->"
_SECTION = re.compile(r"<!-- part (\S+) -->\n(.*?)<!-- end of part \1 -->", re.DOTALL)
_MACHINE = re.compile(r"^- ([A-Z]): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One number.

    Parameters
    ----------
    what : str
        Of what; with its size.
    value : float
    unit : str
    better : {"less", "more", "neither"}
    against : str
        The peer that did the same in the same run; empty where there is none.
    peer : float or None
        Its value, in the same unit.
    limit : float or None
        What is promised: of the ratio where there is a peer, else of the value.
    """

    what: str
    value: float
    unit: str
    better: Better = "less"
    against: str = ""
    peer: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer.

        Examples
        --------
        >>> Measured(what="alpha", value=2.0, unit="s", against="a loop", peer=6.0).ratio
        3.0
        """
        if self.peer is None:
            return None
        return self.peer / self.value if self.better == "less" else self.value / self.peer

    @property
    def held(self) -> bool | None:
        """Whether the promise is kept; None without one."""
        if self.limit is None:
            return None
        if self.ratio is not None:
            return self.ratio >= self.limit
        return self.value <= self.limit if self.better == "less" else self.value >= self.limit

    def cells(self) -> list[str]:
        """What, value, against, ratio and promise as text."""
        unit = f" {self.unit}" if self.unit else ""
        against = "" if self.peer is None else f"{self.against}: {number(self.peer)}{unit}"
        ratio = "" if self.ratio is None else f"{number(self.ratio)} times"
        return [self.what, f"{number(self.value)}{unit}", against, ratio, self._promise()]

    def _promise(self) -> str:
        if self.limit is None:
            return ""
        side = "at least" if self.better == "more" or self.ratio is not None else "at most"
        unit = " times" if self.ratio is not None else f" {self.unit}" if self.unit else ""
        return f"{side} {self.limit:g}{unit}: {'held' if self.held else 'NOT HELD'}"

    def __str__(self) -> str:
        return ", ".join(cell for cell in self.cells() if cell)


# Memory that is "flat" may still grow by what holds one chunk of the work.
_FLAT = 1.2


def peaks_by_size(command: str, megabytes: Mapping[int, float]) -> list[Measured]:
    """Peak memory of a command by how many transcripts it took, and by how much it grew; flat is what is promised.

    Examples
    --------
    >>> print(peaks_by_size("harmrate grade", {10: 200.0, 1_000: 210.0})[-1])
    peak memory of harmrate grade, that of 1,000 over that of 10, 1.05, at most 1.2: held
    """
    told = f"peak memory of {command}"
    rows = [Measured(what=f"{told}, {n:,} transcripts", value=peak, unit="MB") for n, peak in megabytes.items()]
    if len(megabytes) > 1:
        few, many = min(megabytes), max(megabytes)
        what = f"{told}, that of {many:,} over that of {few:,}"
        rows.append(Measured(what=what, value=megabytes[many] / megabytes[few], unit="", limit=_FLAT))
    return rows


def number(value: float) -> str:
    """Three digits, or all of a whole number.

    Examples
    --------
    >>> [number(x) for x in (0.04712, 12.345, 1234.5, 1_000_000)]
    ['0.0471', '12.3', '1,234', '1,000,000']
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one part of the benchmarks found.

    Parameters
    ----------
    rows : sequence of Measured
    text : str
        Tables that are no rows, in Markdown; empty for none.
    """

    rows: Sequence[Measured] = ()
    text: str = ""


@dataclass(slots=True, kw_only=True)
class Results:
    """The file of results.

    Parameters
    ----------
    lines : mapping from part to lines of the table
    sections : mapping from part to Markdown
    machines : mapping from a letter to what it stands for
    """

    lines: dict[str, list[str]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Results:
        """The inverse of `render`."""
        start, _, rest = text.partition(_ROWS)
        table, _, tail = rest.partition(_END)
        lines: dict[str, list[str]] = {}
        for line in table.splitlines():
            if line.startswith("| ") and (part := _cells(line)[0]) != COLUMNS[0]:
                lines.setdefault(part, []).append(line)
        sections = {name: body.strip() for name, body in _SECTION.findall(tail)}
        return cls(lines=lines, sections=sections, machines=dict(_MACHINE.findall(start)))

    def enter(self, part: str, found: Found, *, command: str, day: str, machine: str) -> None:
        """Replace what is known of one part."""
        known = {told: letter for letter, told in self.machines.items()}
        letter = known.get(machine) or next(c for c in string.ascii_uppercase if c not in self.machines)
        self.machines[letter] = machine
        if found.rows:
            rest = [f"`{command}`", day, letter]
            self.lines[part] = ["| " + " | ".join([part, *row.cells(), *rest]) + " |" for row in found.rows]
        if found.text:
            self.sections[part] = f"{day}, machine {letter}, `{command}`.\n\n{found.text.strip()}"

    def values(self, part: str) -> dict[str, tuple[float, str]]:
        """Value and unit of each row of a part, by what it is of."""
        found = {}
        for line in self.lines.get(part, []):
            _, what, value, *_ = _cells(line)
            amount, _, unit = value.partition(" ")
            found[what] = float(amount.replace(",", "")), unit
        return found

    def render(self, parts: Mapping[str, str]) -> str:
        """The file, parts in the order of `parts` (name to title)."""
        lines = [line for part in parts for line in self.lines.get(part, [])]
        used = {_cells(line)[-1] for line in lines} | set(
            re.findall(r"machine ([A-Z]),", " ".join(self.sections.values()))
        )
        text = [
            "# Results of the benchmarks",
            "",
            "Written by `python -m benchmarks`; what the parts are stands in `benchmarks/README.md`. A ratio says how",
            "many times better than the peer that did the same in the same run. Machines:",
            "",
            *(f"- {letter}: {machine}" for letter, machine in sorted(self.machines.items()) if letter in used),
            "",
            _ROWS,
            "| " + " | ".join(COLUMNS) + " |",
            "|---" * len(COLUMNS) + "|",
            *lines,
            _END,
        ]
        for part, title in parts.items():
            if body := self.sections.get(part):
                text += [
                    "",
                    f"<!-- part {part} -->",
                    f"## {title}",
                    "",
                    _untitled(body),
                    f"<!-- end of part {part} -->",
                ]
        return "\n".join(text) + "\n"


def worse(before: Mapping[str, tuple[float, str]], rows: Iterable[Measured]) -> Iterator[str]:
    """What got worse by more than `SLACK` since the last time, a line each."""
    for row in rows:
        old, unit = before.get(row.what, (0.0, row.unit))
        if not old or unit != row.unit or row.better == "neither":
            continue
        change = row.value / old - 1 if row.better == "less" else old / row.value - 1
        if change > SLACK:
            told = f"{number(old)} to {number(row.value)} {row.unit}".rstrip()
            yield f"worse by {change:.0%} than the last time: {row.what}: {told}"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def _untitled(body: str) -> str:
    """A section as it was read, without the title that `render` gives it."""
    return re.sub(r"\A## .*\n+", "", body)
