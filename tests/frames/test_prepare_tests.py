"""Groups compared with intervals and tests: equal to scipy's, paired where the inputs are the same."""

import random

import pandas as pd
import polars as pl
import pytest
from scipy import stats

from aod_notebook import frames
from aod_notebook.frames import prepare


def generated(seed):
    """Rows of two models on the same prompts: a cost, and whether it went well."""
    rng = random.Random(seed)
    prompts = range(rng.randint(3, 40))
    shift, odds = rng.choice([0, 0.3, 2]), rng.choice([0.2, 0.5, 0.9])
    rows = [
        (model, prompt, rng.lognormvariate(shift * at, 1), rng.random() < (odds if at else 0.5))
        for at, model in enumerate("ab")
        for prompt in prompts
    ]
    return pd.DataFrame(rows, columns=["model", "prompt", "cost_usd", "is_good"])


def row_of(table, measure, model="b"):
    (row,) = table[table["measure"].eq(measure) & table["model"].eq(model)].to_dict("records")
    return row


def sides(rows, column):
    return (rows.loc[rows["model"].eq(model), column].to_numpy() for model in "ba")


def near(value):
    return pytest.approx(float(value), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(100))
def test_unpaired_tests_are_those_of_scipy(seed):
    rows = generated(seed)
    table = prepare.compare(rows, "model", ["cost_usd", "is_good"], "a", confidence=0.9)
    costs, base = sides(rows, "cost_usd")
    test = stats.ttest_ind(costs, base, equal_var=False)
    found, interval = row_of(table, "cost_usd"), test.confidence_interval(0.9)
    assert found["test"] == "Welch's t-test"
    assert found["p_value"] == near(test.pvalue)
    assert found["difference_low"] == near(interval.low)
    assert found["difference_high"] == near(interval.high)
    low, high = stats.t.interval(0.9, len(costs) - 1, costs.mean(), stats.sem(costs))
    assert (found["low"], found["high"]) == (near(low), near(high))
    good, others = (list(side) for side in sides(rows, "is_good"))
    counts = [[sum(side), len(side) - sum(side)] for side in (good, others)]
    found = row_of(table, "is_good")
    assert found["test"] == "Fisher's exact test"
    assert found["p_value"] == near(stats.fisher_exact(counts).pvalue)
    wilson = stats.binomtest(sum(good), len(good)).proportion_ci(0.9, method="wilson")
    assert (found["low"], found["high"]) == (near(wilson.low), near(wilson.high))


@pytest.mark.parametrize("seed", range(100))
def test_paired_tests_are_those_of_scipy(seed):
    rows = generated(seed)
    shuffled = rows.sample(frac=1, random_state=seed)
    table = prepare.compare(shuffled, "model", ["cost_usd", "is_good"], "a", pair="prompt")
    costs, base = sides(rows, "cost_usd")
    test = stats.ttest_rel(costs, base)
    found, interval = row_of(table, "cost_usd"), test.confidence_interval(0.95)
    assert (found["test"], found["pairs"]) == ("paired t-test", len(costs))
    assert found["p_value"] == near(test.pvalue)
    assert found["difference"] == near((costs - base).mean())
    assert found["difference_low"] == near(interval.low)
    assert found["difference_high"] == near(interval.high)
    good, others = sides(rows, "is_good")
    more, fewer = int((good & ~others).sum()), int((others & ~good).sum())
    expected = stats.binomtest(more, more + fewer, 0.5).pvalue if more + fewer else 1.0
    found = row_of(table, "is_good")
    assert found["test"] == "McNemar's exact test"
    assert found["p_value"] == near(expected)


def test_only_pairs_count_and_repeats_count_once():
    rows = pd.DataFrame(
        [("a", "p", 1.0), ("a", "q", 2.0), ("b", "p", 2.0), ("b", "p", 4.0), ("b", "r", 90.0)],
        columns=["model", "prompt", "cost_usd"],
    )
    found = row_of(prepare.compare(rows, "model", "cost_usd", "a", pair="prompt"), "cost_usd")
    assert (found["pairs"], found["difference"], found["count"]) == (1, 2.0, 3)
    assert pd.isna(found["p_value"])


def test_the_baseline_is_tested_against_nothing():
    found = row_of(
        prepare.compare(generated(1), "model", "cost_usd", "a", pair="prompt"), "cost_usd", "a"
    )
    assert pd.isna(found["test"])
    assert pd.isna(found["p_value"])
    assert found["difference"] == 0.0
    assert found["low"] < found["mean"] < found["high"]


def test_sessions_are_compared_by_what_they_have():
    rows = pd.DataFrame({
        "agent": ["x", "x", "y", "y"],
        "status": ["completed", "failed", "completed", "running"],
        "cost_usd": [1.0, 2.0, None, 3.0],
    })  # fmt: skip
    table = prepare.compare(rows, "agent", None, "x", confidence=0.95)
    means = {
        (row["measure"], row["agent"]): (row["count"], row["mean"])
        for row in table.to_dict("records")
    }
    assert means["success", "x"] == (2, 0.5)
    assert means["success", "y"] == (1, 1.0)
    assert means["cost_usd", "y"] == (1, 3.0)


def test_tables_of_polars_have_the_same_answer():
    rows = generated(7)
    expected = prepare.compare(rows, "model", ["cost_usd", "is_good"], "a", pair="prompt")
    found = prepare.compare(
        pl.from_pandas(rows), "model", ["cost_usd", "is_good"], "a", pair="prompt"
    )
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("confidence", [0, 1, 2])
def test_a_confidence_that_is_none_is_refused(confidence):
    with pytest.raises(frames.FrameError, match="confidence must be between 0 and 1"):
        prepare.compare(generated(1), "model", "cost_usd", "a", confidence=confidence)


def test_groups_without_a_known_flag_have_no_interval_and_no_probability():
    rows = pd.DataFrame({"model": ["a", "a", "b"], "is_good": [True, False, None]})
    rows["is_good"] = rows["is_good"].astype("boolean")
    found = row_of(prepare.compare(rows, "model", "is_good", "a", confidence=0.9), "is_good")
    assert (found["count"], found["test"]) == (0, "Fisher's exact test")
    assert pd.isna([found["low"], found["high"], found["p_value"]]).all()


def test_values_that_never_vary_are_not_tested():
    rows = pd.DataFrame({"model": ["a", "a", "b", "b"], "cost_usd": [1.0, 1.0, 2.0, 2.0]})
    found = row_of(prepare.compare(rows, "model", "cost_usd", "a", confidence=0.9), "cost_usd")
    assert (found["difference"], found["low"], found["high"]) == (1.0, 2.0, 2.0)
    assert pd.isna(found["p_value"])


def test_a_success_of_ones_own_comes_before_that_of_the_status():
    rows = pd.DataFrame({
        "agent": ["x", "x", "y", "y"], "status": ["completed"] * 4,
        "success": [True, True, False, False],
    })  # fmt: skip
    table = prepare.compare(rows, "agent", "success", "x", confidence=0.9)
    assert row_of_agent(table, "y")["mean"] == 0.0


def row_of_agent(table, agent):
    (row,) = table[table["agent"].eq(agent)].to_dict("records")
    return row


def test_numbers_in_a_column_of_objects_are_numbers_and_texts_are_not():
    rows = pd.DataFrame({"model": ["a", "b"], "score": pd.Series([1, 2.5], dtype=object)})
    assert row_of(prepare.compare(rows, "model", "score", "a"), "score")["mean"] == 2.5
    rows["score"] = pd.Series([1, "two"], dtype=object)
    with pytest.raises(frames.FrameError, match="compare needs numbers or booleans in the column"):
        prepare.compare(rows, "model", "score", "a")
