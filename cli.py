"""The entry point of the ``harmrate`` command; the commands are in ``harmrate/commands``."""

from __future__ import annotations

from harmrate.commands.app import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the console script."""
    app()


if __name__ == "__main__":
    main()
