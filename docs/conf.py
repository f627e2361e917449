"""How the documentation is built: `make docs`. The notebooks are executed at every build."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from aod_notebook import __version__
from aod_notebook.local import stop_service

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "aod-notebook"
author = "The aod-notebook developers"
copyright = "The aod-notebook developers"
release = version = __version__

extensions = [
    "commands",
    "listings",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # help texts name options, as `--runtime`

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "aod-notebook"
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "header_links_before_dropdown": 8,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# A page without neighbours of its own has nothing to show at its side.
html_sidebars = {page: [] for page in ("index", "concepts", "plots", "changelog")}
html_static_path = ["_static"]
html_search_scorer = str(HERE / "_static" / "scorer.js")
html_css_files = ["pages.css"]
html_show_sourcelink = False

# The notebooks live at the top of the project; Sphinx reads only what is below this folder.
for variable in ("AOD_API_URL", "AOD_API_TOKEN"):
    os.environ.pop(variable, None)
state = Path(tempfile.mkdtemp(prefix="aod-notebook-docs-"))
os.environ["AOD_NOTEBOOK_HOME"] = str(state)
os.environ["AOD_NOTEBOOK_REPLAY_PACE"] = "0"  # nobody watches the notebooks here
shutil.rmtree(HERE / "notebooks", ignore_errors=True)
(HERE / "notebooks").mkdir()
for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
    shutil.copy(notebook, HERE / "notebooks" / notebook.name)
# "Your own logs" are samples here, not the sessions of whoever builds the pages.
shutil.copytree(HERE.parent / "tests" / "logs" / "samples" / "home", state / "home")
os.environ["HOME"] = str(state / "home")
for variable in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_DATA_HOME"):
    os.environ.pop(variable, None)
shutil.rmtree(HERE / "_generated", ignore_errors=True)  # pages of names that no longer exist
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_in_temp = True  # what a notebook writes is not there for the next build
nb_merge_streams = True
# The static form of a widget stands for it: live ones would load scripts from another host.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]


def setup(app: object) -> None:
    """Stop the service that the notebooks started, when the build is done."""

    def clean_up(*_: object) -> None:
        stop_service(state / "service")
        shutil.rmtree(state, ignore_errors=True)

    app.connect("build-finished", clean_up)
