"""The table of results: a part replaces its own rows only, what got worse is told, what is missing is said."""

from __future__ import annotations

import sys

import pytest

from benchmarks import __main__ as command
from benchmarks.children import Skipped, run
from benchmarks.parts import PARTS, Part
from benchmarks.results import Found, Measured, Results, worse

TITLES = {"alpha": "Alpha", "rates": "Rates", "coverage": "Coverage"}


def row(value: float, **changes) -> Measured:
    return Measured(**{"what": "a pool of 1,000,000, x", "value": value, "unit": "s", **changes})


def entered(results: Results, part: str, found: Found, machine: str = "one") -> Results:
    results.enter(part, found, command=f"python -m benchmarks {part}", day="2026-01-02", machine=machine)
    return Results.parse(results.render(TITLES))


def test_a_part_replaces_its_own_rows_only():
    results = entered(Results(), "alpha", Found(rows=[row(1.0), row(2.0, what="other")]))
    results = entered(results, "coverage", Found(text="| method | n |\n|---|---|\n| lr | 3 |"))
    results = entered(results, "rates", Found(rows=[row(5.0, against="pandas", peer=10.0, limit=1.5)]), machine="two")
    before = results.render(TITLES)
    results = entered(results, "alpha", Found(rows=[row(0.5)]), machine="two")
    after = results.render(TITLES)
    assert results.values("alpha") == {"a pool of 1,000,000, x": (0.5, "s")}
    assert [line for line in before.splitlines() if line.startswith("| rates")] == results.lines["rates"]
    assert "| lr | 3 |" in after
    assert after.count("## Coverage") == 1
    assert "- A: one" in after
    assert "- B: two" in after
    (line,) = results.lines["rates"]
    assert "pandas: 10 s | 2 times | at least 1.5 times: held | `python -m benchmarks rates` | 2026-01-02 | B |" in line


def test_a_machine_that_no_row_names_is_forgotten():
    results = entered(Results(), "alpha", Found(rows=[row(1.0)]), machine="old")
    results = entered(results, "alpha", Found(rows=[row(1.0)]), machine="new")
    assert "old" not in results.render(TITLES)
    assert results.machines == {"B": "new"}


@pytest.mark.parametrize(
    ("measured", "held"),
    [
        (row(5.0, limit=5.0), True),
        (row(5.1, limit=5.0), False),
        (row(9.0, better="more", limit=10.0), False),
        (row(10.0, against="p", peer=25.0, limit=2.5), True),
        (row(10.0, better="more", against="p", peer=5.0, limit=2.1), False),
        (row(1.0), None),
    ],
)
def test_promises(measured, held):
    assert measured.held is held
    assert ("NOT HELD" in str(measured)) == (held is False)


def test_what_got_worse_by_more_than_a_tenth_is_told():
    before = {"a": (1.0, "s"), "b": (100.0, "MB/s"), "c": (1.0, "ms"), "d": (1.0, "s")}
    rows = [
        row(1.05, what="a"),
        row(80.0, what="b", unit="MB/s", better="more"),
        row(1_000.0, what="c", unit="s"),
        row(1.2, what="d"),
        row(9.0, what="new"),
    ]
    told = list(worse(before, rows))
    assert [line.split(": ")[1] for line in told] == ["b", "d"]
    assert "25%" in told[0]
    assert "20%" in told[1]


@pytest.fixture
def two_parts(monkeypatch):
    """Two parts instead of the real ones: one that finds what the test says, one that lacks something."""
    found = [Found(rows=[row(1.0)])]

    def skipped(_size, _workers):
        raise Skipped("no GPU")

    parts = {
        "alpha": Part(title="Alpha", run=lambda _size, _workers: found[-1], minutes=1, quiet=True),
        "rates": Part(title="Rates", run=skipped, minutes=1),
    }
    monkeypatch.setattr(command, "PARTS", parts)
    return found


def test_the_command_enters_rows_and_tells_what_got_worse(two_parts, tmp_path, capsys):
    out = tmp_path / "RESULTS.md"
    command.main(["--out", str(out)])
    told = capsys.readouterr().out
    assert "rates: skipped: no GPU" in told
    assert "worse" not in told
    two_parts.append(Found(rows=[row(2.0)]))
    command.main(["quiet", "--out", str(out)])
    assert "worse by 100%" in capsys.readouterr().out
    assert Results.parse(out.read_text()).values("alpha")["a pool of 1,000,000, x"] == (2.0, "s")


def test_quick_is_printed_and_not_entered(two_parts, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "RESULTS.md")
    command.main(["--quick"])
    assert "a pool of 1,000,000, x, 1 s" in capsys.readouterr().out
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_part_that_fails_does_not_end_the_others(two_parts, tmp_path, capsys, monkeypatch):
    def broken(_size, _workers):
        raise ValueError("out of luck")

    parts = {"rates": Part(title="Rates", run=broken, minutes=1), "alpha": command.PARTS["alpha"]}
    monkeypatch.setattr(command, "PARTS", parts)
    with pytest.raises(SystemExit) as stop:
        command.main(["--out", str(tmp_path / "RESULTS.md")])
    assert stop.value.code == 1
    told = capsys.readouterr().out
    assert "rates: FAILED: ValueError: out of luck" in told
    assert "alpha: a pool" in told


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["beauty"])
    assert "no part 'beauty'" in capsys.readouterr().err


def test_the_committed_results_are_of_known_parts_and_name_their_commands():
    text = command.RESULTS.read_text(encoding="utf-8")
    results = Results.parse(text)
    assert set(results.lines) | set(results.sections) <= set(PARTS)
    assert results.render({name: part.title for name, part in PARTS.items()}) == text
    for part, lines in results.lines.items():
        assert all(f"`python -m benchmarks {part}" in line for line in lines)


def test_the_quiet_parts_take_less_than_twenty_minutes():
    assert sum(part.minutes for part in PARTS.values() if part.quiet) < 20


def test_a_child_tells_what_it_took_and_why_it_failed():
    held = bytearray(300_000_000)  # a process starts with the peak of whoever started it
    ran = run([sys.executable, "-c", "print('x' * 10); b = bytearray(50_000_000)"])
    assert ran.output == "x" * 10 + "\n"
    assert 50 < ran.megabytes < 200 < len(held) / 1e6
    assert 0 < ran.seconds < 60
    with pytest.raises(RuntimeError, match="ended with 3"):
        run([sys.executable, "-c", "import sys; sys.exit(3)"])
