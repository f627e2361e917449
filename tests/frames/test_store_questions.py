"""Five libraries answer the same questions on one store."""

import sys
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "benchmarks")]

import bench_questions
from bench_store import generated_sessions
from generated import Generated

from aod_notebook import frames
from aod_notebook.aod import Client

COUNT, LINES = 200, 40


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("questions") / "store"
    with (
        Generated(generated_sessions(COUNT, LINES)) as service,
        Client(base_url=service.url, token="of-no-use") as client,
    ):
        return frames.collect(into=path, client=client)


def test_five_libraries_give_the_same_ten_answers(store):
    asked = bench_questions.ask_all(store.path)
    first, *others = (answers for answers, *_ in asked.values())
    assert len(others) == 4
    assert all(answers == first for answers in others)
    assert len(first) == 10
    assert all(first)


def test_the_answers_are_those_of_the_sessions(store):
    counted = bench_questions.Pandas(store.path).answers()
    events, outputs, calls, failed, *_ = counted
    lines = [LINES - number % 3 * 4 for number in range(COUNT)]
    assert outputs == sum(lines)
    assert events == outputs + 3 * COUNT
    assert calls == sum(line // 4 for line in lines)
    assert failed == sum(line // 4 for number, line in enumerate(lines) if number % 5 == 0)
