"""A headless browser for pages on disk: the tests and the benchmark of the report open them with it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def find_chromium() -> Path | None:
    """The browser's program: `HARMRATE_CHROMIUM`, else the first known name on the path."""
    named = os.environ.get("HARMRATE_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    return Path(found) if found else None


def missing() -> str | None:
    """Why no page can be opened here; None when one can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed"
    return None if find_chromium() else f"no browser: none of {', '.join(_NAMES)} is on the path"


@contextmanager
def opened() -> Iterator[Any]:
    """A running browser (playwright's), closed at the end."""
    from playwright.sync_api import sync_playwright  # type: ignore[import-not-found, unused-ignore]

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=find_chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()
