"""Whatever is cut off, doubled or in another order: no error, and no larger total."""

import shutil
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import TREES, make_tree

from aod_notebook.logs import count_once, find_logs, one_each, read_log

NAMES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "read": "cache_read_tokens",
    "written": "cache_creation_tokens",
}


def totals(logs, agent, *, usage_only=False):
    sessions = []
    for log in logs:
        try:
            sessions += read_log(log, usage_only=usage_only)
        except OSError:  # a database that is cut is reported, and the import goes on
            assert agent == "opencode"
    sessions = one_each(sessions)
    count_once(sessions)
    names = {key: name for key, name in NAMES.items() if key != "written" or agent == "claude"}
    total = Counter()
    for session in sessions:
        for request in session.requests:
            total.update({key: getattr(request.usage, name) for key, name in names.items()})
    return total


@pytest.mark.parametrize("agent", TREES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_prefix_an_order_and_a_copy_give_no_error_and_no_larger_total(agent, seed, data):
    with TemporaryDirectory() as name:
        home = Path(name)
        billed = make_tree(agent, seed, home)
        files = sorted(path for path in home.rglob("*") if path.is_file())
        twice = data.draw(st.sampled_from(files), "twice")
        copy = twice.with_name(f"{twice.stem}-copy{twice.suffix}")
        shutil.copy(twice, copy)
        assert totals(found(home, data), agent) == billed

        cut = data.draw(st.sampled_from(files), "cut")
        content = cut.read_bytes()
        cut.write_bytes(content[: data.draw(st.integers(0, len(content)), "bytes")])
        left = totals(found(home, data), agent, usage_only=data.draw(st.booleans(), "usage only"))

        assert all(left[name] <= billed[name] for name in left)


def found(home, data):
    return data.draw(st.permutations(find_logs(home)), "order")
