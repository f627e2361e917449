"""What frames and stores hold in memory, measured by the system in a process of its own."""

import multiprocessing
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "benchmarks")]

from bench_frames import status
from bench_store import Service, generated_sessions
from opentelemetry.sdk.trace.export import SpanExportResult

from aod_notebook import frames
from aod_notebook.aod import Client

pytestmark = pytest.mark.faults
LINES = 24_000
SLACK_MIB = 24
"""What the allocators of Python and Arrow keep, and the code of both."""


def used(url, function, folder, answer):
    """Put the MiB that a call added at its peak, and those that its frame has, in a queue."""
    with Client(base_url=url, token="of-no-use") as client:
        client.sessions.list()
        frames.tool_calls_df(b"")
        before = status("VmRSS")
        size = function(client, folder)
        answer.put((status("VmHWM") - before, size))


def events(jobs, client, _):
    return frames.events_df(client=client, jobs=jobs).memory_usage(deep=True).sum() / 2**20


def by_eight(name, client, _):
    frame = getattr(frames, f"{name}_df")(client=client, jobs=8)
    return frame.memory_usage(deep=True).sum() / 2**20


def collection(client, folder):
    frames.collect(into=folder, client=client, jobs=1)
    return 0.0


class Collector:
    """An exporter that takes all spans and keeps none."""

    def export(self, _):
        return SpanExportResult.SUCCESS


def export(client, _):
    return frames.export_sessions(Collector(), client, client=client)


def measured(function, count, folder, lines=LINES):
    """Return peak and size, and the MiB of the largest answer."""
    sessions = generated_sessions(count, lines)
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with Service(sessions) as service:
        process = context.Process(target=used, args=(service.url, function, folder, answer))
        process.start()
        peak, size = answer.get(timeout=300)
        process.join()
    return peak, size, max(len(body) for _, _, body in sessions.values()) / 2**20


@pytest.mark.parametrize("jobs", [1, 8])
def test_a_frame_of_sessions_takes_itself_and_two_answers(jobs, tmp_path):
    peak, size, answer = measured(partial(events, jobs), 8, tmp_path)
    assert size > 6 * answer * 0.9
    assert peak <= size + 2 * answer + SLACK_MIB


@pytest.mark.parametrize("name", ["events", "messages", "tool_calls"])
def test_more_sessions_by_eight_take_hardly_more_than_their_frames(name, tmp_path):
    function = partial(by_eight, name)
    few, size, _ = measured(function, 12, tmp_path, 4_000)
    many, greater, answer = measured(function, 48, tmp_path, 4_000)
    assert greater > 3.9 * size
    assert many - few <= 1.4 * (greater - size) + 2 * answer + SLACK_MIB


def test_a_collection_of_four_times_the_sessions_takes_little_more_memory(tmp_path):
    few, _, _ = measured(collection, 4, tmp_path / "few")
    many, _, _ = measured(collection, 16, tmp_path / "many")
    assert many <= 1.5 * few


def test_an_export_of_more_sessions_takes_no_more_memory(tmp_path):
    few, spans, _ = measured(export, 16, tmp_path, 4_000)
    many, more_spans, answer = measured(export, 48, tmp_path, 4_000)
    assert more_spans > 2.9 * spans
    assert many <= few + answer + SLACK_MIB
