"""The card of a store: sessions, calls, tokens, cost, size and age."""

import os
import re
import sys
from pathlib import Path

import pytest
from IPython.lib.pretty import pretty

sys.path.append(str(Path(__file__).parents[1]))

import generated
import stored
from bodies import body_of, event, output
from known_sessions import known_session

from aod_notebook import frames
from aod_notebook.aod import Client
from aod_notebook.core import words
from aod_notebook.frames.store import card


def collected(into, *sessions):
    """Collect a service's sessions, given as their fields in the list and the bytes of a stream."""
    made = {}
    for number, (fields, body) in enumerate(sessions):
        one = generated.session_id(number)
        made[one] = {**generated.session_of(one), **fields}, generated.turns_of(1), body
    with generated.Generated(made) as service, Client(service.url, "of-no-use") as client:
        return frames.collect(into=into, client=client)


def numbers_of(store):
    return {what: number for number, what, _ in card.store_card(store).numbers}


TALK = (output(1, "hi\n") + event(2, type="exit", id=2, code=0)).encode()
CLAUDE = body_of(known_session("claude", 3), "s", 3)


def test_a_store_of_imported_logs_counts_calls_and_tokens_and_knows_no_cost(tmp_path):
    store = stored.store(tmp_path / "store", 3)
    numbers = numbers_of(store)
    assert numbers["sessions"] == "3"
    assert numbers["tool calls, 2 failed"] == "7"
    assert numbers["tokens, 99 % cached"] == "7.2k"
    assert not [what for what in numbers if "a session" in what]


def test_a_store_says_how_many_days_its_sessions_span_and_how_many_failed(tmp_path):
    store = collected(
        tmp_path,
        ({"created_at": "2026-01-01T00:00:00Z"}, TALK),
        ({"created_at": "2026-01-03T12:00:00Z", "status": "failed"}, TALK),
        ({"created_at": "2026-01-04T00:00:00Z"}, TALK),
    )
    numbers = numbers_of(store)
    assert numbers["sessions, 3 days"] == "3"
    assert numbers["failed (33 %)"] == "✗ 1"


def test_what_no_session_reports_is_left_out_of_the_card(tmp_path):
    assert list(numbers_of(collected(tmp_path, ({}, TALK)))) == ["session", "8 files"]


def test_cost_is_the_sum_and_the_mean_of_the_sessions_that_report_one(tmp_path):
    store = collected(tmp_path, ({}, CLAUDE), ({}, CLAUDE), ({}, TALK))
    cost = store.frame("results")["cost_usd"].sum()
    assert cost > 0
    assert numbers_of(store)[f"{words.dollars(cost / 2)} a session"] == words.dollars(cost)


def test_of_a_store_with_very_many_sessions_only_sessions_and_files_are_counted(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(card, "MOST_READ", 1)
    store = collected(tmp_path, ({}, CLAUDE), ({}, CLAUDE))
    assert list(numbers_of(store)) == ["sessions", "8 files"]


@pytest.mark.parametrize(("moved_s", "age"), [(0, r"\d+ s ago"), (30 * 86_400, r"\d+ \w+( \d+)?")])
def test_a_card_says_when_the_store_was_updated(tmp_path, moved_s, age):
    store = collected(tmp_path, ({}, TALK))
    for path in tmp_path.rglob("*.parquet"):
        at = path.stat().st_mtime - moved_s
        os.utime(path, (at, at))
    assert re.fullmatch(f"updated {age}", card.store_card(store).name)


def test_a_store_shows_its_card_in_a_cell_as_html_and_as_text(tmp_path):
    store = collected(tmp_path, ({}, TALK))
    assert "1 session" in pretty(store)
    assert f"Store {tmp_path}" in store._repr_html_()
    assert repr(store) == f"<Store {str(tmp_path)!r} of 1 session>"
