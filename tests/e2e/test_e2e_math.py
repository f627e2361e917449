"""Dollar signs in what agents wrote are dollar signs: the page takes none of it for mathematics."""

from pages import READY_MS
from playwright.sync_api import expect
from views import VIEW

TEXT = r"costs $5 or $6, \(x^2\), $$y^3$$, \begin{align}z\end{align}"
START = "%load_ext aod_notebook\n%aod connect --local"
CELL = f"%%aod --runtime shell --view html -o h\ncat <<'END'\n{TEXT}\nEND"
LIVE = VIEW.replace('d.line(*[f"line {i}" for i in range(300)])', f"d.line(r'''{TEXT}''')")
AGENT = rf"""import json
from aod_notebook.aod.events import StreamEvent
from aod_notebook.viewers.static import render_html
from IPython.display import HTML
text = r'''{TEXT}'''
block = {{"type": "tool_use", "id": "t", "name": "Bash", "input": {{"command": text}}}}
lines = [{{"type": "assistant", "message": {{"content": [{{"type": "text", "text": text}}, block]}}}}]
events = [StreamEvent("output", n, {{"stream": "stdout", "data": json.dumps(line) + "\n"}})
          for n, line in enumerate(lines)]
HTML(render_html(events, text, "claude"))"""
OWN = "import pandas as pd\npd.DataFrame({'formula': ['$x^2$']})"
CONTROL = "from IPython.display import HTML\nHTML('<b>$x^2$</b>')"


def test_no_transcript_view_or_table_is_set_as_mathematics(opened):
    cells = [START, CELL, "h.events", "h.messages", LIVE, AGENT, OWN, CONTROL]
    nb = opened(*cells)
    nb.run_all()
    last = len(cells) - 1
    # the page sets mathematics where it should, also in the user's own tables
    expect(nb.output(last).locator("mjx-container")).to_have_count(1, timeout=READY_MS)
    expect(nb.output(last - 1).locator("mjx-container")).to_have_count(1)
    for number in range(1, last - 1):
        expect(nb.output(number)).to_contain_text("costs $5 or $6", timeout=READY_MS)
        assert nb.output(number).locator("mjx-container").count() == 0, cells[number]
