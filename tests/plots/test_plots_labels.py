import matplotlib as mpl
import pandas as pd
import plot_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from aod_notebook import frames, plots
from aod_notebook.core.words import duration
from aod_notebook.plots._text import count, dollars, short, shown

HOSTILE = (
    "$\\frac{",
    "$x$ costs $5",
    "_^{}%&#~\\input{x}",
    "\x1b[31mred\x1b]8;;http://x\x07\x00",
    "\u202egnp.exe\u2028next",
    "五 🙂 ✅",
    "line\nbreak\ttab\r",
    "a" * 5000,
    "/very/long/" + "x" * 300 + "/end.py",
    "",
)


def hostile_calls():
    calls = samples.many_calls(len(HOSTILE))
    calls = calls.assign(tool=pd.Categorical(HOSTILE), session_id=HOSTILE[0])
    calls["summary"] = pd.Series(HOSTILE[::-1], dtype=object)
    return calls


def hostile_spans():
    events = samples.run_events()
    for name in ("type", "kind", "tool", "run_id"):
        events[name] = pd.Categorical([HOSTILE[0]] * len(events))
    return events


def hostile_sessions():
    sessions = samples.sessions(len(HOSTILE))
    return sessions.assign(session_id=list(HOSTILE), status=list(HOSTILE))


FIGURES = {
    "timeline": lambda: plots.timeline(hostile_calls()),
    "crowd": lambda: plots.timeline(hostile_calls(), limit=4),
    "waterfall": lambda: plots.waterfall(hostile_spans()),
    "tools": lambda: plots.tools(hostile_calls()),
    "latency": lambda: plots.latency(hostile_calls()),
    "cost": lambda: plots.cost(samples.turns(4).assign(session_id=HOSTILE[0])),
    "overview": lambda: plots.overview(hostile_sessions()),
    "batch": lambda: plots.overview(hostile_sessions(), limit=4),
}


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_labels_are_drawn_as_plain_text(name):
    ax = FIGURES[name]()
    ax.figure.draw_without_rendering()  # a warning of a missing glyph would be an error here
    texts = [text for text in ax.findobj(Text) if "$\\f" in text.get_text()]
    assert texts or name == "overview"
    assert not any(text.get_parse_math() or text.get_usetex() for text in texts)


def test_no_label_of_the_data_goes_to_tex():
    with mpl.rc_context({"text.usetex": True}):
        ax = plots.tools(hostile_calls())
    told = [*ax.get_yticklabels(), *ax.texts, ax._left_title, ax.xaxis.label]
    assert not any(text.get_usetex() for text in told)


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("figure", [plots.tools, plots.latency])
def test_a_figure_of_one_session_is_titled_with_its_id_and_prompt(figure):
    calls = samples.many_calls(20).assign(prompt="Fix the report")
    title = figure(calls).get_title(loc="left")
    assert title.startswith("Session 2bc7f561  Fix the report · ")


def test_the_slowest_of_several_sessions_is_named_with_its_prompt():
    drawn = plots.latency(samples.calls_of_sessions(), limit=6)
    named = [text for text in texts(drawn) if text.startswith("slowest in ")]
    assert len(named) == 6
    assert "slowest in a1f7a3e2  Why does prices.py return None …" in named
    assert drawn.get_title(loc="left").startswith("4 sessions · ")


def test_each_of_a_few_sessions_is_named_at_its_point():
    sessions = samples.sessions(6).assign(prompt="Fix the report")
    named = {f"{short(name)}  Fix the report" for name in sessions["session_id"]}
    assert named <= set(texts(plots.latency(sessions)))


def test_a_bar_of_several_sessions_says_where_the_tool_failed_most():
    calls = samples.calls_of_sessions()
    bash = calls[calls["tool"].eq("Bash") & calls["is_error"].fillna(False)]
    worst = bash["session_id"].value_counts().index[0]
    (words,) = [text for text in texts(plots.tools(calls)) if text.startswith("193 ")]
    prompt = calls.set_index("session_id")["prompt"][worst].iloc[0]
    assert words.endswith(f" · most in {short(worst)}  {shown(prompt, 20)}")


def test_no_failure_names_no_session():
    calls = samples.calls_of_sessions().assign(is_error=False)
    assert plots.tools_df(calls)["worst"].isna().all()
    assert not any("most in" in text for text in texts(plots.tools(calls)))


UNTIMED = {
    "latency": samples.many_calls(9).assign(duration_s=pd.NA),
    "waterfall": frames.spans_from_run_events(samples.run_events()).assign(offset_ms=pd.NA),
    "overview": samples.sessions(4).assign(duration_s=pd.NA),
    "timeline": samples.session_events().drop(columns="received_at"),
    "cost": samples.turns(4).assign(ended_at=pd.NaT),
    "tokens": samples.turns(4).assign(ended_at=pd.NaT),
}


@pytest.mark.parametrize("name", UNTIMED)
def test_a_figure_without_times_says_why(name):
    drawn = getattr(plots, name)(UNTIMED[name])
    told = " ".join([*texts(drawn), drawn.get_xlabel()])
    why = ("carry no times", "says when it began", "is known of no session")
    assert any(each in told for each in why)
    assert "0 ms" not in told


@pytest.fixture(scope="module")
def glyphs():
    return set(get_font(findfont(FontProperties())).get_charmap())


@given(text=st.text(max_size=300), limit=st.integers(1, 60))
def test_a_shown_text_is_short_and_can_be_drawn(glyphs, text, limit):
    flat = shown(text, limit)
    assert len(flat) <= limit
    assert flat.isprintable()
    assert {ord(char) for char in flat} <= glyphs


def test_the_end_of_a_path_is_kept_and_the_beginning_of_another_text():
    assert shown("/work" + "/deep" * 9 + "/test_dates.py", 16) == "…p/test_dates.py"
    assert shown("python -m pytest -q tests/test_dates.py", 16) == "python -m pytes…"


def test_half_of_a_surrogate_pair_is_shown_as_a_box():
    assert shown("a\ud800b", 10) == "a□b"


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, 5])
def test_a_value_that_is_not_text_is_shown_as_nothing(missing):
    assert shown(missing, 10) == ""


def test_numbers_have_their_units():
    assert [count(n) for n in (0, 999, 1000, 190_054, 2_569)] == ["0", "999", "1k", "190k", "2.57k"]
    assert [dollars(n) for n in (0, 0.0043, 0.169, 1234.5)] == [
        "$0.00",
        "$0.0043",
        "$0.17",
        "$1,234.50",
    ]
    assert [duration(s) for s in (0.042, 7.26, 42, 200, 8000, 200_000)] == [
        "<0.1 s", "7.3 s", "42 s", "3 min 20", "2 h 13", "2 d 7 h"
    ]  # fmt: skip
    assert [short(name) for name in (samples.SESSION, "nightly")] == ["2bc7f561", "nightly"]
