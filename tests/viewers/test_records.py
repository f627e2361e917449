"""Records on their way to pages that miss messages."""

import json
import random

from aod_notebook.viewers.records import RecordFeed, Records
from aod_notebook.viewers.wire import BODY_BYTES


class Page:
    """What a page does with messages of records."""

    def __init__(self):
        self.records, self.version, self.head = {}, 0, 0

    def take(self, message):
        content = message.content
        self.head = max(self.head, content.get("head", 0))
        if content["type"] != "records" or content["from"] > self.version:
            return
        for number, *record in json.loads(message.buffers[0]):
            self.records[number] = record
        self.version = max(self.version, content["to"])


def drained(feed, now):
    while (message := feed.next_message(now)) is not None:
        yield message


def test_a_record_that_did_not_change_is_not_sent_again():
    feed = RecordFeed()
    assert feed.put(0, ["a"])
    assert not feed.put(0, ["a"])
    assert len([each for each in drained(feed, 0.0) if each.content["type"] == "records"]) == 1


def test_pages_that_miss_messages_end_with_the_records_of_the_kernel():
    chance = random.Random(3)
    for _ in range(100):
        feed, page, truth = RecordFeed(), Page(), {}
        for step in range(60):
            number = chance.randrange(12)
            truth[number] = [chance.randrange(5)]
            feed.put(number, truth[number])
            for message in drained(feed, float(step)):
                if chance.random() < 0.5:
                    page.take(message)
        for step in range(60, 80):
            if page.version < page.head:
                feed.ask({"page": "1", "from": page.version})
            for message in drained(feed, float(step)):
                page.take(message)
        assert page.records == truth


def test_many_records_come_in_messages_of_bounded_size():
    records = Records()
    for number in range(5_000):
        records.put(number, ["x" * 200])
    version, found = 0, []
    while version < records.head:
        body, version = records.since(version)
        assert len(body) <= BODY_BYTES
        found += [each[0] for each in json.loads(body)]
    assert found == list(range(5_000))


def test_the_log_of_changes_stays_small_however_often_a_record_changes():
    records = Records()
    for turn in range(10_000):
        records.put(turn % 3, [turn])
    assert len(records._log) < 2_000
    assert json.loads(records.since(0)[0]) == [[1, 9997], [2, 9998], [0, 9999]]


def test_a_late_page_gets_the_number_of_rows():
    feed = RecordFeed()
    feed.is_watched = False
    feed.put(0, ["a"])
    assert feed.next_message(0.0) is None
    feed.answer_hello("2")
    assert feed.next_message(0.0).content == {"type": "welcome", "page": "2", "head": 1}
    feed.ask({"page": "2", "from": 0})
    assert json.loads(feed.next_message(0.0).buffers[0]) == [[0, "a"]]
