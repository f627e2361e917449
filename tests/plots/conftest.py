"""Draws the figures of these tests without a screen, in matplotlib's own style and fonts."""

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def _plain_matplotlib():
    with mpl.rc_context(mpl.rcParamsDefault | {"backend": "agg"}):
        yield
        plt.close("all")
