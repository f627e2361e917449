"""The documentation: builds without a warning, links, names and searches lead somewhere."""

import html
import importlib
import inspect
import os
import pkgutil
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from sphinx.util.inventory import InventoryFile

import aod_notebook

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

import commands  # noqa: E402 - found beside the pages
import listings  # noqa: E402 - found beside the pages

QUESTIONS = {
    "compare two sessions": "compare",
    "cost by model": "cost",
    "stop": "stop",
    "behind a proxy": "clis",
    "share a transcript": "share",
    "which tool fails most": "find-a-failure",
    "test without money": "testing",
    "own logs": "own-logs",
    "marimo": "front-ends",
    "JupyterHub": "front-ends",
    "OpenTelemetry": "otel",
    "aod-sdk": "migration",
    "many sessions": "batches",
    "%%aod options": "commands",
    "plots": "plots",
    "figures": "plots",
    "gallery": "plots",
    "chart": "plots",
    "install": "index",
    "limit cost": "batches",
    "papermill parameters": "front-ends",
}
"""What people type, and the page that should come first."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site once; a warning is an error."""
    folder = tmp_path_factory.mktemp("docs")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*build, "-d", folder / "doctrees", ROOT / "docs", folder / "html"],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONWARNINGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Links(HTMLParser):
    """Collects the links and the ids of a page."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.links += [known[name] for name in ("href", "src") if known.get(name)]
        self.ids |= {known[name] for name in ("id", "name") if known.get(name)}


@pytest.mark.timeout(900)  # the first to use `site` waits for the build with all notebooks
def test_every_internal_link_leads_somewhere(site):
    pages = {
        path: Links(path.read_text(encoding="utf-8"))
        for path in site.rglob("*.html")
        if "_static" not in path.parts
    }
    assert len(pages) > 30
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target)
            if not target.exists() or (
                found and parts.fragment and parts.fragment not in found.ids
            ):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_every_public_name_is_documented(site):
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    known = {name for kind in inventory.data.values() for name in kind}
    names = set()
    for room in (*listings.MODULES, "transcripts"):
        module = importlib.import_module(f"aod_notebook.{room}")
        names |= {
            f"{module.__name__}.{name}"
            for name in module.__all__
            if inspect.isroutine(getattr(module, name)) or inspect.isclass(getattr(module, name))
        }
    assert sorted(names - known) == []


def errors_and_warnings():
    """Return every class of the package that is the package's error, or a warning."""
    for found in pkgutil.walk_packages(aod_notebook.__path__, "aod_notebook."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    known = [aod_notebook.AodNotebookError, UserWarning]
    for each in known:
        known += each.__subclasses__()
    return {each for each in known if each.__module__.startswith("aod_notebook.")}


def test_every_error_is_on_the_page_of_errors_with_its_cause_and_fix(site):
    page = html.unescape((site / "errors.html").read_text(encoding="utf-8"))
    rows = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in page.split("<tr")]
    found = [" ".join(row) for row in rows]
    errors = [(each.__name__, *listings.cause_and_fix(each)) for each in errors_and_warnings()]
    assert len(errors) > 60
    assert [name for name, cause, fix in errors if not (cause and fix)] == []
    assert [one[0] for one in errors if not any(" ".join(one) in row for row in found)] == []


@pytest.mark.parametrize("family", commands.LISTS)
def test_every_command_and_option_is_on_the_page_of_commands(site, family):
    page = html.unescape((site / "commands.html").read_text(encoding="utf-8"))
    wanted = set()
    for called, _, parser in commands.LISTS[family]():
        wanted |= {called, *(shown for shown, _ in commands.arguments(parser))}
    assert len(wanted) > 20
    text = re.sub(r"<[^>]+>", "", page)
    assert [one for one in wanted if one not in text] == []


def test_no_page_asks_another_host_for_anything(site, browser):
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("words", QUESTIONS)
def test_a_search_has_the_right_page_first(site, browser, words):
    page = browser.new_page()
    page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
    page.wait_for_function(
        "document.querySelector('.search-summary')?.textContent.includes('found')"
    )
    first = page.locator("#search-results ul.search li a").first.get_attribute("href")
    page.close()
    assert first.partition(".html")[0] == QUESTIONS[words]


@pytest.mark.parametrize("width", [390, 1280])
def test_the_top_bar_is_one_line(site, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((site / "index.html").as_uri())
    height = page.locator(".bd-header").bounding_box()["height"]
    page.close()
    assert height < 100


def test_causes_and_fixes_of_errors_are_read_on_a_phone_without_scrolling_sideways(site, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((site / "errors.html").as_uri())
    right = page.evaluate(
        "Math.max(...Array.from(document.querySelectorAll('td'), (one) => one.getBoundingClientRect().right))"
    )
    scrolled = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert max(right, scrolled) <= 390


def test_no_page_has_an_empty_sidebar(site, browser):
    page, empty = browser.new_page(viewport={"width": 1280, "height": 800}), []
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        sides = page.locator(".bd-sidebar-primary:visible, .bd-sidebar-secondary:visible")
        empty += [path.name for text in sides.all_inner_texts() if not text.strip()]
    page.close()
    assert empty == []


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_a_transcript_is_dark_on_a_dark_page(site, browser, scheme, is_dark):
    page = browser.new_page(color_scheme=scheme)
    page.goto((site / "notebooks" / "quickstart.html").as_uri())
    text = page.get_by_text("That is suspicious").first
    brightness = text.evaluate("""(shown) => {
      const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
      let behind = shown;
      while (parse(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
      return [getComputedStyle(shown).color, getComputedStyle(behind).backgroundColor]
        .map((colour) => Math.max(...parse(colour).slice(0, 3)));
    }""")
    page.close()
    ink, paper = brightness
    assert (ink > paper) == is_dark, brightness
