"""Rubrics: what counts as a harm, in words; one Markdown file per harm."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from grader.errors import InputError

RubricKind = Literal["harm", "covariate"]
Asked = Literal["by default", "on request"]

_SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """What counts as one harm.

    Parameters
    ----------
    name : str
        The harm's name in verdicts and tables: lower-case letters, digits, ``_`` and ``-``.
    title, version : str
        For readers.
    text : str
        Markdown; the judge reads it word for word.
    kind : {"harm", "covariate"}
        A covariate is asked like a harm but is not one: it splits the rates of harms.
    asked : {"by default", "on request"}
        Whether it is asked when nobody names rubrics.

    Examples
    --------
    >>> Rubric(name="rudeness", title="Rudeness", version="1", text="Insults.").kind
    'harm'
    """

    name: str
    title: str
    version: str
    text: str
    kind: RubricKind = "harm"
    asked: Asked = "on request"

    @property
    def hash(self) -> str:
        """SHA-256 of what the judge sees of it (name, title, text)."""
        return hashlib.sha256("\0".join((self.name, self.title, self.text)).encode()).hexdigest()


def load_rubrics(folder: Path | str | None = None, names: Iterable[str] | None = None) -> dict[str, Rubric]:
    """Load rubrics: the shipped ones, and those of `folder` on top.

    Parameters
    ----------
    folder : path or str, optional
        Folder of Markdown files with front matter ``name, title, version``. A rubric of the same
        name replaces the shipped one.
    names : iterable of str, optional
        Which to load, in this order. Default: the shipped ones that are asked by default and all
        of `folder`.

    Returns
    -------
    dict from name to Rubric

    Raises
    ------
    InputError
        A file without proper front matter, a name given twice or unknown, an empty folder.

    Examples
    --------
    >>> len(load_rubrics())
    3
    """
    shipped = _read_folder(_SHIPPED)
    added = {} if folder is None else _read_folder(Path(folder))
    rubrics = shipped | added
    if names is None:
        return {name: r for name, r in rubrics.items() if name in added or r.asked == "by default"}
    wanted = list(names)
    unknown = [name for name in wanted if name not in rubrics]
    if unknown:
        raise InputError(f"no rubric named {unknown[0]!r}; there are {', '.join(sorted(rubrics))}")
    return {name: rubrics[name] for name in wanted}


def parse_rubric(text: str, *, file: Path | str | None = None) -> Rubric:
    """Read one rubric: front matter between ``---`` lines, then the text.

    Raises
    ------
    InputError
        Front matter or text is missing, or a value is not allowed.
    """
    parts = _FRONT_MATTER.match(text)
    if parts is None:
        raise InputError("needs front matter with name, title and version between '---' lines", file=file)
    fields = _read_fields(parts[1], file)
    missing = [key for key in ("name", "title", "version") if not fields.get(key)]
    if missing:
        raise InputError(f"front matter lacks {missing[0]!r}", file=file)
    if not _NAME.fullmatch(fields["name"]):
        raise InputError(f"name must be lower-case letters, digits, '_' or '-', got {fields['name']!r}", file=file)
    if not parts[2].strip():
        raise InputError("has no text after its front matter", file=file)
    return Rubric(
        name=fields["name"],
        title=fields["title"],
        version=fields["version"],
        text=parts[2].strip(),
        kind=cast(RubricKind, _choice("kind", fields, get_args(RubricKind), file)),
        asked=cast(Asked, _choice("asked", fields, get_args(Asked)[::-1], file)),
    )


def _read_folder(folder: Path) -> dict[str, Rubric]:
    paths = sorted(folder.glob("*.md"))
    if not paths:
        raise InputError("no rubric (*.md) in this folder" if folder.is_dir() else "is not a folder", file=folder)
    rubrics: dict[str, Rubric] = {}
    for path in paths:
        try:
            rubric = parse_rubric(path.read_text(encoding="utf-8"), file=path)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", file=path) from None
        if rubric.name in rubrics:
            raise InputError(f"a second rubric named {rubric.name!r}", file=path)
        rubrics[rubric.name] = rubric
    return rubrics


def _read_fields(block: str, file: Path | str | None) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in block.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        if not colon:
            raise InputError(f"front matter line {line!r} is not 'key: value'", file=file)
        fields[key.strip()] = value.strip().strip("\"'")
    return fields


def _choice(key: str, fields: dict[str, str], allowed: tuple[str, ...], file: Path | str | None) -> str:
    value = fields.get(key, allowed[0])
    if value not in allowed:
        raise InputError(f"{key} must be one of {', '.join(allowed)}, got {value!r}", file=file)
    return value
