"""Sphinx's settings for the book; `make book` copies this file next to the pages that it writes."""

from astraios_utils import __version__
from astraios_utils.running import links

project = "Astraios, reproduced"
author = "The contributors"
version = release = __version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nb_execution_mode = "off"  # the notebooks come executed
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_ipywidgets_js = {}  # widgets' scripts would come from another host
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
# ref.python: the type `bytes` in a signature is also the name of two attributes, which Sphinx calls ambiguous
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type", "ref.python"]
exclude_patterns = ["_extra"]
html_extra_path = ["_extra"]  # reports, and figures with their data

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_sidebars = {key: [] for key in ("index", "figures", "reports", "methods", "tasks", "verdicts", "how/**", "search")}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "github_url": f"{links.HOST}{links.repository()}",
    "navbar_align": "left",
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "header_links_before_dropdown": 4,
    "show_prev_next": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}
copyright = "the contributors; Apache License 2.0"
