"""Packages that only some harnesses need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from grader.errors import InputError


def import_extra(module: str, install: str) -> Any:
    """Import a module of an optional package, or say in one line what to install.

    Parameters
    ----------
    module : str
    install : str
        What ``pip install`` takes.

    Raises
    ------
    InputError
        The package is not installed.

    Examples
    --------
    >>> import_extra("no_such_harness.api", "no-such-harness")
    Traceback (most recent call last):
    grader.errors.InputError: no_such_harness is not installed: pip install 'no-such-harness'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise  # it is there, and broken
        raise InputError(f"{package} is not installed: pip install '{install}'") from None
