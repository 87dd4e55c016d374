"""How the documentation is built: `make docs`."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the extensions beside this file

project = "harmrate"
author = "the harmrate authors"
release = importlib.metadata.version("harmrate")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["command_reference", "notebook_page", "pictures"]  # beside this file
exclude_patterns = ["_build"]
default_role = "code"  # single backticks in docstrings are names
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # the docstrings give types in words, with shapes and ranges
autodoc_member_order = "bysource"
napoleon_google_docstring = False

html_theme = "furo"
html_title = "harmrate"
html_show_sphinx = False
