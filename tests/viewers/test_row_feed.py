import itertools
import json

import pytest
from sources import Source

from aod_notebook.viewers.row_feed import RowFeed


@pytest.fixture
def source():
    return Source()


def test_a_view_of_a_later_turn_says_which_it_is(source):
    source.emit("stage", stage="runtime_start", state="started")
    source.lines("earlier")
    source.emit("stage", stage="runtime_start", state="started")
    feed = RowFeed(source, start=2)
    feed.read()
    assert feed.facts()["about"] == "turn 2"
    assert (feed.facts()["status"], feed.transcript.rows[0].title) == ("running", "Turn 2")


rounds = itertools.count(1)


def drain(feed, now=None):
    """Take everything that the feed would send in a round that begins at that time."""
    now = next(rounds) / 1e6 if now is None else now
    messages = []
    while (message := feed.next_message(now)) is not None:
        messages.append(message)
    return messages


def rows_of(messages):
    """Put rows together as a page does that lost nothing; give them by number."""
    rows = {}
    for message in messages:
        if message.content["type"] == "rows":
            for offset, row in enumerate(json.loads(message.buffers[0])):
                rows[message.content["from"] + offset] = row
    return rows


def test_new_rows_are_pushed_once_and_numbered(source):
    feed = RowFeed(source)
    source.lines("a", "b")
    first = rows_of(drain(feed))
    source.lines("c")
    second = rows_of(drain(feed))
    assert (first, second) == ({0: "a", 1: "b"}, {2: "c"})


def test_what_comes_in_during_a_round_waits_for_the_next_one(source):
    feed = RowFeed(source)
    source.lines("a")
    (first,) = drain(feed, 1.0)
    source.lines("b")
    assert drain(feed, 1.0) == []
    (second,) = drain(feed, 2.0)
    assert (rows_of([first]), rows_of([second])) == ({0: "a"}, {1: "b"})


def test_a_burst_is_sent_in_few_messages_of_one_round(source):
    feed = RowFeed(source)
    lines = [f"{n:08d} ".ljust(79, "x") for n in range(100_000)]
    source.lines(*lines)
    messages = drain(feed, 1.0)
    assert list(rows_of(messages).values()) == lines
    assert len(messages) < 40


def test_events_of_earlier_turns_are_passed_over(source):
    source.lines("old", "new")
    assert rows_of(drain(RowFeed(source, start=1))) == {0: "new"}


def test_a_page_gets_the_rows_that_it_lacks(source):
    feed = RowFeed(source)
    source.lines(*map(str, range(10)))
    drain(feed)
    feed.ask({"page": "p", "from": 4})
    assert rows_of(drain(feed)) == {n: str(n) for n in range(4, 10)}


def test_two_pages_that_lack_much_are_served_in_turn(source):
    feed = RowFeed(source)
    source.lines(*["x" * 1000] * 1000)
    drain(feed)
    feed.ask({"page": "p", "from": 0})
    feed.ask({"page": "q", "from": 500})
    starts = [message.content["from"] for message in drain(feed)]
    assert starts[:2] == [0, 500]
    assert len(rows_of(drain(feed))) == 0


@pytest.mark.parametrize("start", [-1, 10**9, "0", None, 2.5, True])
def test_a_senseless_question_is_passed_over(source, start):
    feed = RowFeed(source)
    source.lines("a")
    drain(feed)
    feed.ask({"page": "p", "from": start if start is not True else 7})
    feed.ask_text({"row": start, "from": 0})
    assert rows_of(drain(feed)) == {}


def test_a_beat_shows_how_many_rows_there_are_and_ends_after_the_end(source):
    feed = RowFeed(source)
    source.lines("a")
    drain(feed, 0.0)
    beat = feed.next_message(1.5)
    assert beat.content == {"type": "beat", "head": 1}
    assert feed.next_message(1.6) is None
    source.end()
    drain(feed, 2.0)
    feed.due_facts(2.0)
    beats = [drain(feed, at) for at in (3.5, 5.0, 6.5, 8.0, 9.5)]
    assert [len(each) for each in beats] == [1, 1, 1, 0, 0]
    assert feed.is_quiet()


def test_the_rest_of_a_long_row_is_sent_when_asked_for(source):
    feed = RowFeed(source)
    source.lines("a" * 20_000 + "END")
    drain(feed)
    feed.ask_text({"row": 0, "from": 16_000})
    (message,) = drain(feed)
    assert message.content["text"] == "a" * 4_000 + "END"


def test_facts_are_sent_when_they_change(source):
    feed = RowFeed(source)
    assert feed.due_facts(0.0)["status"] == "pending"
    assert feed.due_facts(0.1) is None
    source.lines("a")
    drain(feed)
    assert feed.due_facts(0.2)["status"] == "running"
    source.end(3)
    drain(feed)
    facts = feed.due_facts(0.3)
    assert (facts["status"], facts["about"], facts["final"]) == ("failed", "exit code 3", True)


def test_a_held_session_does_not_end_with_its_turn(source):
    feed = RowFeed(source)
    feed.is_held = True
    source.end()
    drain(feed)
    assert not feed.facts()["final"]
    feed.is_held = False
    assert feed.facts()["final"]


def test_the_last_line_without_an_end_is_shown(source):
    feed = RowFeed(source)
    source.emit("output", stream="stdout", data="no newline", turn=1)
    (half,) = drain(feed)
    assert half.content == {"type": "partial", "kind": 8, "text": "no newline"}
    source.is_final = True
    assert rows_of(drain(feed)) == {0: "no newline"}


def test_text_in_progress_is_sent_once_and_again_to_a_new_page(source):
    feed = RowFeed(source)
    source.emit("output", stream="stderr", data="10 %\r20 %", turn=1)
    halves = [each.content["text"] for each in drain(feed)]
    feed.answer_hello("p")
    halves += [each.content["text"] for each in drain(feed) if each.content["type"] == "partial"]
    assert halves == ["20 %", "20 %"]


def test_a_view_that_was_ended_takes_nothing_more_and_is_quiet_soon(source):
    feed = RowFeed(source)
    source.emit("output", stream="stdout", data="half a line", turn=1)
    feed.end()
    source.lines("too late")
    assert rows_of(drain(feed)) == {0: "half a line"}
    for at in (0.0, 2.0, 4.0, 6.0, 8.0):
        feed.due_facts(at)
        drain(feed, at)
    assert feed.is_quiet()


def test_a_title_and_a_cost_from_elsewhere_fit_into_json(source):
    source.title = "half \ud83d \u202e title"
    feed = RowFeed(source)
    feed.transcript.summary.cost_usd = float("inf")
    facts = feed.facts()
    json.dumps(facts, allow_nan=False).encode()
    assert (facts["title"], facts["about"]) == ("half \ufffd ⟨U+202E⟩ title", "")


def test_a_page_that_is_ready_late_and_cannot_ask_gets_every_row(source):
    feed = RowFeed(source)
    feed.is_shown = True
    source.lines(*(f"line {n}" for n in range(5_000)))
    missed = rows_of(drain(feed, 1.0))
    source.lines("one more")
    came = rows_of([*drain(feed, 1.5), *drain(feed, 2.1), *drain(feed, 3.0)])
    assert came == missed | {5_000: "one more"}


def test_rows_are_repeated_until_a_page_is_heard_and_not_for_ever(source):
    feed = RowFeed(source)
    source.lines("a")
    source.end()
    feed.is_shown = True
    feed.read()
    feed.due_facts(0.5)
    times = [now / 2 for now in range(2, 100) if rows_of(drain(feed, now / 2))]
    assert times == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert feed.is_quiet()
    feed.is_shown = True
    feed.answer_hello("page")
    assert rows_of([each for now in range(100, 200) for each in drain(feed, now)]) == {}
