"""The examples of the docstrings and of the guide."""

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import aod_notebook.aod
import aod_notebook.core

# These start a loop or change asyncio itself, which no other test should see.
APART = (".pretty", "core.bridge", "core.nested")
MODULES = [
    found.name
    for package in (aod_notebook.core, aod_notebook.aod)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not any(name in found.name for name in APART)
]
GUIDE = Path(__file__).parents[2] / "docs" / "aod.md"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_hold(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_of_the_guide_use_existing_names(block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)
