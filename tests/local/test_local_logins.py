"""The person's logins in sessions: used, renewed, brought home; and what is never overwritten."""

import asyncio
import json
import signal
import stat

import pytest
from service_kit import until

from aod_notebook.local.runtimes import logins
from aod_notebook.local.runtimes.base import Folder

CLAUDE = ".claude/.credentials.json"
FAR = 4_102_444_800_000  # milliseconds: no login of these tests has run out
BEFORE, LATER, LATEST = FAR + 1_000, FAR + 2_000, FAR + 3_000


def login(expires, name="a", **more):
    """Make claude's credentials file; its tokens are words."""
    inner = {"accessToken": f"access {name}", "refreshToken": f"refresh {name}"}
    return json.dumps({"claudeAiOauth": {**inner, "expiresAt": expires}, **more})


def tokens(path):
    return json.loads(path.read_text())["claudeAiOauth"]["accessToken"].removeprefix("access ")


# Renews its login as claude does: a temporary file, renamed over the old one. The prompt says
# how, and whether to wait for a file of the workspace afterwards.
FAKE = """#!/bin/sh
cd "$HOME/.claude"
read -r expires name wait
old=$(cat .credentials.json)
test -n "$wait" && { mkfifo started; mkfifo go; }
test "$expires" = same || {
  printf '{"claudeAiOauth": {"accessToken": "access %s", "refreshToken": "r", "expiresAt": %s}}' \
    "$name" "$expires" > .new && mv .new .credentials.json
}
echo "$old"
test -n "$wait" && { echo renewed; exec sleep 60; }
exit 0
"""


@pytest.fixture
def person(tmp_path, monkeypatch):
    """A person's home with a login of claude, whose stand-in renews it."""
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    home = tmp_path / "person"
    file = home / CLAUDE
    file.parent.mkdir(parents=True)
    file.write_text(login(BEFORE))
    file.chmod(0o600)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(home))
    return file


def claude(kit):
    return kit.agent(runtime="claude", model="any")


def test_a_login_that_a_session_renews_is_the_persons_afterwards(fresh_kit, person):
    fresh_kit.finish(fresh_kit.session(f"{LATER} b", claude(fresh_kit)))
    assert tokens(person) == "b"
    assert stat.S_IMODE(person.stat().st_mode) == 0o600
    assert list(person.parent.iterdir()) == [person]  # no draft, no lock is left


def test_the_next_turn_and_the_next_session_have_the_renewed_login(fresh_kit, person):
    agent = claude(fresh_kit)
    session = fresh_kit.session(f"{LATER} b", agent)
    fresh_kit.finish(session)
    person.write_text(login(LATEST, "c"))  # renewed by the person's own claude meanwhile
    fresh_kit.post(f"/sessions/{session['id']}/prompt", {"prompt": "same x"}, 202)
    said = [e["data"] for e in fresh_kit.stream(session) if e["type"] == "output"]
    assert "access a" in said[0]
    assert "access c" in said[-1]
    other = fresh_kit.stream(fresh_kit.session("same x", agent))
    assert any("access c" in e["data"] for e in other if e["type"] == "output")


def test_of_sessions_that_renew_at_once_the_newest_login_stays(fresh_kit, person):
    agent = claude(fresh_kit)
    moments = [FAR + 1_000 * n for n in (4, 9, 2, 7, 5, 3)]
    made = [fresh_kit.session(f"{moment} at-{moment - FAR}", agent) for moment in moments]
    for session in made:
        assert fresh_kit.finish(session)["status"] == "completed"
    assert tokens(person) == "at-9000"


SINGLE_USE = """#!/bin/sh
cd "$HOME/.claude"
if grep -q '"expiresAt": 1}' .credentials.json; then
  mkdir "$TAKEN" || { echo "Refresh token not found or invalid" >&2; exit 1; }
  echo '{"claudeAiOauth": {"accessToken": "access new", "expiresAt": FAR}}' > .new
  mv .new .credentials.json
fi
"""


def test_a_login_that_has_run_out_is_renewed_once_for_sessions_that_start_at_once(
    fresh_kit, person, tmp_path
):
    (tmp_path / "bin" / "claude").write_text(SINGLE_USE.replace("FAR", str(FAR)))
    person.write_text(login(1))
    environment = fresh_kit.environment(env_vars={"TAKEN": str(tmp_path / "taken")})
    agent = fresh_kit.agent(runtime="claude", model="any", environment_id=environment["id"])
    made = [fresh_kit.session("x", agent) for _ in range(4)]
    assert [fresh_kit.finish(session)["status"] for session in made] == ["completed"] * 4
    assert tokens(person) == "new"


def test_a_login_that_was_renewed_while_a_turn_looked_at_the_old_one_is_not_renewed_again(
    person, tmp_path, monkeypatch
):
    person.write_text(login(1))
    folder = Folder(tmp_path / "session")
    folder.home.mkdir(parents=True)
    logins.copy_in(folder, logins.LOGINS["claude"], lambda _: person)
    look = logins._due

    def look_late(*given):
        found = look(*given)
        person.write_text(login(FAR, "new"))  # the turn that renewed it is through by now
        return found

    monkeypatch.setattr(logins, "_due", look_late)

    async def begin():
        renewal = logins.Renewal(folder, logins.LOGINS["claude"])
        await renewal.begin(asyncio.Event())
        return tokens(folder.home / CLAUDE), logins.Renewal._under_way

    assert asyncio.run(begin()) == ("new", {})


def test_a_session_that_works_gets_the_login_that_another_renewed(fresh_service, fresh_kit, person):
    agent = claude(fresh_kit)
    working = fresh_kit.session("same x wait", agent)
    fresh_kit.wait_for_output(working)
    own = fresh_service.data_dir / "sessions" / working["id"] / "home" / CLAUDE
    fresh_kit.finish(fresh_kit.session(f"{LATER} b", agent))
    until(lambda: tokens(own) == "b")
    fresh_kit.post(f"/sessions/{working['id']}/terminate", expect=200)


def test_a_login_is_brought_home_while_the_session_still_works(fresh_kit, person):
    working = fresh_kit.session(f"{LATER} b wait", claude(fresh_kit))
    until(lambda: tokens(person) == "b", seconds=60)
    fresh_kit.post(f"/sessions/{working['id']}/terminate", expect=200)


def test_a_login_renewed_before_a_kill_is_copied_back_at_the_next_start(start, person):
    first = start()
    session = first.kit.session("same x", first.kit.agent(runtime="claude", model="any"))
    first.kit.finish(session)
    first.end(signal.SIGKILL)
    own = first.data_dir / "sessions" / session["id"] / "home" / CLAUDE
    own.write_text(login(LATER, "b"))  # as if it had been killed right after it was renewed
    start()
    assert tokens(person) == "b"


def test_a_login_is_not_written_if_nothing_was_renewed(fresh_kit, person):
    before = person.stat()
    fresh_kit.finish(fresh_kit.session("same x", claude(fresh_kit)))
    after = person.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_login_of_the_setup_script_is_never_brought_home(fresh_kit, person):
    own = login(LATEST, "service-account")
    script = f"cat > ~/{CLAUDE} <<'X'\n{own}\nX\n"
    environment = fresh_kit.environment(setup_script=script)
    session = fresh_kit.session("same x", claude(fresh_kit), environment_id=environment["id"])
    said = [e["data"] for e in fresh_kit.stream(session) if e["type"] == "output"]
    assert "service-account" in said[0]
    assert tokens(person) == "a"


# one exchange


@pytest.fixture
def pair(tmp_path):
    """A session's folder into which the person's login was copied; the two files."""
    person = tmp_path / "person.json"
    person.write_text(login(LATER, "person"))
    folder = Folder(tmp_path / "session")
    folder.home.mkdir(parents=True)
    logins.copy_in(folder, logins.LOGINS["claude"], lambda _: person)
    return folder, person, folder.home / CLAUDE


def exchange(folder):
    logins.exchange(folder, logins.LOGINS["claude"])


@pytest.mark.parametrize(
    ("session", "person", "winner"),
    [(LATEST, LATER, "session"), (BEFORE, LATER, "person"), (LATER, LATER, None)],
)
def test_the_newer_login_replaces_the_older_one(pair, session, person, winner):
    folder, theirs, ours = pair
    ours.write_text(login(session, "session"))
    theirs.write_text(login(person, "person"))
    exchange(folder)
    if winner is None:
        assert (tokens(ours), tokens(theirs)) == ("session", "person")
    else:
        assert tokens(ours) == tokens(theirs) == winner


def test_other_contents_of_the_persons_file_are_kept(pair):
    folder, theirs, ours = pair
    theirs.write_text(login(LATER, "person", mcpOAuth={"x": 1}))
    ours.write_text(login(LATEST, "session"))
    exchange(folder)
    assert json.loads(theirs.read_text())["mcpOAuth"] == {"x": 1}
    assert tokens(theirs) == "session"


def test_a_login_of_another_account_is_not_replaced(pair):
    folder, theirs, ours = pair
    theirs.write_text(login(LATER, "person", organizationUuid="new"))
    ours.write_text(login(LATEST, "session", organizationUuid="old"))
    exchange(folder)
    assert tokens(theirs) == "person"


def test_who_has_logged_out_stays_logged_out(pair):
    folder, theirs, ours = pair
    theirs.unlink()
    ours.write_text(login(LATEST, "session"))
    exchange(folder)
    assert not theirs.exists()


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"claudeAiOauth": {}}', "{}"])
def test_a_torn_or_empty_login_is_never_brought_home(pair, torn):
    folder, theirs, ours = pair
    ours.write_text(torn)
    exchange(folder)
    assert tokens(theirs) == "person"


def test_a_link_to_the_persons_login_stays_a_link(pair, tmp_path):
    folder, theirs, ours = pair
    real = theirs.rename(tmp_path / "dotfiles.json")
    theirs.symlink_to(real)
    ours.write_text(login(LATEST, "session"))
    exchange(folder)
    assert theirs.is_symlink()
    assert tokens(real) == "session"


@pytest.mark.parametrize(
    ("cli", "old", "new"),
    [
        (
            "codex",
            {"tokens": {"account_id": "1", "x": "old"}, "last_refresh": "2026-11-01T00:00:00Z"},
            {"tokens": {"account_id": "1", "x": "new"}, "last_refresh": "2026-11-09T00:00:00.5Z"},
        ),
        (
            "gemini",
            {"access_token": "old", "expiry_date": 1},
            {"access_token": "new", "expiry_date": 2},
        ),
        (
            "opencode",
            {"anthropic": {"type": "oauth", "refresh": "old", "expires": 1}},
            {"anthropic": {"type": "oauth", "refresh": "new", "expires": 2}},
        ),
    ],
)
def test_the_other_clis_logins_are_brought_home_too(tmp_path, cli, old, new):
    person, folder = tmp_path / "person.json", Folder(tmp_path / "session")
    person.write_text(json.dumps(old))
    folder.home.mkdir(parents=True)
    chosen = logins.LOGINS[cli][:1]
    logins.copy_in(folder, chosen, lambda _: person)
    (folder.home / chosen[0].relative).write_text(json.dumps(new))
    logins.exchange(folder, chosen)
    assert json.loads(person.read_text()) == new
    assert json.loads((folder.home / chosen[0].relative).read_text()) == new


def test_a_codex_login_of_another_account_is_not_replaced(tmp_path):
    stamped = {"old": "2026-11-01T00:00:00Z", "new": "2026-11-09T00:00:00Z"}
    old, new = (
        {"tokens": {"account_id": name}, "last_refresh": time} for name, time in stamped.items()
    )
    person, folder = tmp_path / "person.json", Folder(tmp_path / "session")
    person.write_text(json.dumps(old))
    folder.home.mkdir(parents=True)
    logins.copy_in(folder, logins.LOGINS["codex"], lambda _: person)
    (folder.home / ".codex/auth.json").write_text(json.dumps(new))
    logins.exchange(folder, logins.LOGINS["codex"])
    assert json.loads(person.read_text()) == old
