"""What Sphinx reads; `python -m docs.pages` writes the pages that it turns into HTML."""

import jnmf
from docs import docstrings

project = "jnmf"
author = "The jnmf developers"
copyright = author
release = version = jnmf.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
]
html_theme = "furo"
html_title = f"jnmf {release}"
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give shapes and dtypes, which types do not
autodoc_preserve_defaults = True
maximum_signature_line_length = 100


def setup(app):
    app.connect("autodoc-process-docstring", docstrings.process)
