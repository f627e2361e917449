"""Generated logs with the traps of real ones, against a second reader that only adds up."""

import shutil
from collections import Counter

import pytest
from trees import TREES, make_tree

from aod_notebook.logs import count_once, find_logs, read_log

SEEDS = range(250)
"""For four CLIs these are a thousand trees."""


def totals(sessions):
    total = Counter()
    for session in sessions:
        for request in session.requests:
            total["input"] += request.usage.input_tokens or 0
            total["output"] += request.usage.output_tokens or 0
            total["read"] += request.usage.cache_read_tokens or 0
            if session.runtime == "claude":
                total["written"] += request.usage.cache_creation_tokens or 0
    return total


def read_all(home, *, usage_only=False):
    sessions = [one for log in find_logs(home) for one in read_log(log, usage_only=usage_only)]
    count_once(sessions)
    return sessions


@pytest.mark.parametrize("agent", TREES)
def test_totals_of_generated_logs_equal_the_naive_sums(agent, tmp_path):
    wrong = []
    for seed in SEEDS:
        home = tmp_path / str(seed)
        expected = make_tree(agent, seed, home)
        if totals(read_all(home)) != expected:
            wrong.append(seed)
        shutil.rmtree(home)

    assert wrong == []


@pytest.mark.parametrize("agent", TREES)
def test_a_session_read_twice_counts_once(agent, tmp_path):
    for seed in range(20):
        home = tmp_path / str(seed)
        make_tree(agent, seed, home)
        once, counted = read_all(home), {}
        again = [session for log in find_logs(home) for session in read_log(log)]
        count_once(again, counted)
        copies = [session for log in find_logs(home) for session in read_log(log)]
        for copy in copies:
            copy.session_id += "-copy"
            copy.source = copy.source.with_suffix(".bak")
        count_once(copies, counted)

        assert totals([*again, *copies]) == totals(once)


@pytest.mark.parametrize("agent", TREES)
def test_the_usage_alone_is_the_same_request_by_request(agent, tmp_path):
    for seed in range(50):
        home = tmp_path / str(seed)
        make_tree(agent, seed, home)

        assert requests(read_all(home, usage_only=True)) == requests(read_all(home))


def requests(sessions):
    return {
        (session.session_id, request.key): (request.usage, request.model, request.at)
        for session in sessions
        for request in session.requests
    }
