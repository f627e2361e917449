"""Stand-ins of the agent CLIs that print how they were called."""

import json
import stat
import sys

MODELS = {
    "claude": "anthropic/claude-sonnet-4-6",
    "codex": "openai/o3",
    "gemini": "google/gemini-2.5-pro",
    "opencode": "openai/o3",
}

STAND_IN = """#!{python}
import json, os, pathlib, sys
home = pathlib.Path(os.environ["HOME"])
files = {{str(p.relative_to(home)): p.read_text() for p in home.rglob("*") if p.is_file()}}
call = {{"argv": sys.argv, "stdin": sys.stdin.read(), "files": files, "cwd": os.getcwd(),
        "env": dict(os.environ)}}
print(json.dumps({{"type": "call", "call": call}}))
"""


def install(folder):
    """Put a stand-in of every CLI, and of npx, into a folder."""
    folder.mkdir()
    for name in (*MODELS, "npx"):
        program = folder / name
        program.write_text(STAND_IN.format(python=sys.executable))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)


def calls(kit, session):
    lines = "".join(e["data"] for e in kit.stream(session) if e["type"] == "output")
    return [json.loads(line)["call"] for line in lines.splitlines()]
