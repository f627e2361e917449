"""What every committed file must not hold, and what an installed package must."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import aod_notebook

ROOT = Path(__file__).parents[2]

# Put together here, so that this file passes its own test.
REGISTRIES = [
    host + ending
    for host, ending in [
        ("py" + "pi", ".org"),
        ("python" + "hosted", ".org"),
        ("registry.npm" + "js", ".org"),
        ("npm" + "js", ".com"),
        ("deb.deb" + "ian", ".org"),
    ]
]
MACHINE_PATH = re.compile(r"(?<![\w.~$}-])/(?:root|home/(?!sprite\b)\w+|Users/\w+|work)/")
TOKEN = re.compile(
    r"\b(?:aod_[A-Za-z0-9_-]{40,}|aos_(?:agent|ws|user)_[A-Za-z0-9_-]{16,}|gh[pos]_\w{30,}|sk-\w{20,})"
)


def committed_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def findings(pattern):
    return [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in committed_files()
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]


def test_no_file_names_a_package_registry():
    assert findings(re.compile("|".join(map(re.escape, REGISTRIES)))) == []


def test_no_file_holds_a_path_of_a_machine():
    assert findings(MACHINE_PATH) == []
    assert findings(re.compile(re.escape(str(ROOT) + "/"))) == []


def test_no_file_holds_a_token():
    assert findings(TOKEN) == []


@pytest.mark.parametrize("folder", ["root", "work", "home/someone", "Users/someone"])
def test_the_scan_sees_a_machine_path(folder):
    assert MACHINE_PATH.search(f"open('/{folder}/file')")


def test_no_lock_file_is_kept():
    names = {path.name for path in committed_files()}
    assert not names & {"uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock"}


def test_notebooks_are_committed_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") for cell in cells), path.name


def test_only_the_agreed_folders_stand_at_the_top():
    top = {path.relative_to(ROOT).parts[0] for path in committed_files()}
    assert top <= {
        ".ci", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "aod_notebook",
        "binder", "docs", "notebooks", "pyproject.toml", "tests",
    }  # fmt: skip


def test_the_readme_opens_with_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.index("make demo") < readme.index("make test") < readme.index("\n## ")


def test_the_package_lists_what_it_loads_on_first_use():
    assert {*aod_notebook.__all__, "aod", "agentos", "frames", "live"} <= set(dir(aod_notebook))


LOAD_EXT = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_line_magic("load_ext", "aod_notebook")
"""


def loaded_by(code):
    """The modules that a fresh interpreter has after `code`."""
    code = f"import sys\n{code}\nprint('modules', *sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(ran.stdout.rpartition("modules ")[2].split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"httpx", "pandas", "pydantic", "IPython", "starlette", "msgspec"}
    assert not loaded_by("import aod_notebook") & heavy


def test_importing_the_magics_loads_no_more_than_the_package():
    more = loaded_by("import aod_notebook.magics") - loaded_by("import aod_notebook")
    assert more == {"aod_notebook.magics"}


def test_loading_the_extension_leaves_tables_and_views_to_their_first_use():
    loaded = loaded_by(LOAD_EXT)
    later = {"pandas", "numpy", "pyarrow", "ipywidgets", "anywidget", "markdown_it", "starlette"}
    assert "aod_notebook.magics.aod" in loaded
    assert not loaded & later


def test_loading_the_extension_leaves_the_code_behind_commands_to_their_first_use():
    loaded = loaded_by(LOAD_EXT)
    later = {"core.card", "live.mirroring", "live.outbox", "magics.batches", "magics.cell_run"}
    rooms = {"agentos.outbox", "frames", "local.runtimes", "transcripts", "viewers"}
    assert not loaded & {f"aod_notebook.{name}" for name in later | rooms}
    assert {name for name in loaded if name.startswith("aod_notebook.live.batch.")} == {
        "aod_notebook.live.batch.call"
    }
    assert not loaded & {"httpcore", "h11", "tomllib"}


def test_a_connection_loads_what_its_clients_need_before_a_thread_makes_one():
    needed = {"aod_notebook.core._async.direct", "aod_notebook.core._sync.direct", "httpcore"}
    imported = "from aod_notebook.live import connections"
    made = "connections.Connection(connections.AOD, 'http://localhost:1', 'aod_x', {})"
    assert not needed & loaded_by(imported)
    assert needed <= loaded_by(f"{imported}\n{made}")


CELL = f"""{LOAD_EXT}
from aod_notebook import live
from aod_notebook.magics import aod
def start(*given):
    print("shown by", "aod_notebook.viewers.static" in sys.modules)
    raise live.SessionStoppedError("enough")
aod.start = start
InteractiveShell.instance().run_cell_magic("aod", "", "Hi")
"""


def test_a_cell_loads_what_shows_a_session_before_it_starts_one():
    code = f"import sys\n{CELL}"
    elsewhere = {**os.environ, "AOD_API_URL": "http://localhost:1", "AOD_API_TOKEN": "aod_x"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=elsewhere
    )
    assert "shown by True" in ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Sdist and wheel of the committed files, as `hatchling` builds them."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for path in committed_files():
        target = source / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    return folder


def test_the_wheel_carries_all_that_the_package_needs_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    inside = {path.relative_to(ROOT).as_posix() for path in committed_files()}
    package = {name for name in inside if name.startswith("aod_notebook/")}
    assert {"aod_notebook/py.typed", "aod_notebook/viewers/page/page.css"} <= package
    assert names == package | {"aod_notebook/notebooks/quickstart.ipynb"}


def test_the_sdist_holds_the_committed_files_and_nothing_else(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    committed = {path.relative_to(ROOT).as_posix() for path in committed_files()}
    assert names == committed | {"PKG-INFO"}


def test_the_changelog_begins_with_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert headings[:2] == ["Unreleased", aod_notebook.__version__]


def test_every_issue_template_asks_for_what_doctor_says():
    templates = list((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert len(templates) == 3
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert text.startswith("---\nname: ")
        assert "`aod-notebook doctor`" in text


def test_no_files_import_each_other_in_a_circle():
    """Imports for types and those inside functions count, too."""
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "aod_notebook").rglob("*.py")
    }
    graph = {name: _imports(path, modules) - {name} for name, path in modules.items()}
    while leaves := {name for name, needs in graph.items() if not needs}:
        graph = {name: needs - leaves for name, needs in graph.items() if name not in leaves}
    circles = _only_circles(graph)

    assert circles == {}


def _imports(path, modules):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found |= {whole if whole in modules else node.module} & modules.keys()
    return found


def _only_circles(graph):
    """Leave out what needs a circle but is in none: nothing in the rest needs it."""
    while True:
        needed = set().union(*graph.values()) if graph else set()
        if tops := set(graph) - needed:
            graph = {name: needs for name, needs in graph.items() if name not in tops}
        else:
            return graph
