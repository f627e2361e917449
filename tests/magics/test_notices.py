import warnings

from aod_notebook.live import ServiceGoneWarning
from aod_notebook.local import LocalService
from aod_notebook.magics.notices import plain_warnings


def test_a_package_warning_is_one_line_once_and_others_stay_unchanged(capsys):
    with warnings.catch_warnings(record=True) as others:
        warnings.simplefilter("always")
        with plain_warnings():
            for _ in range(2):
                warnings.warn("It is gone.", ServiceGoneWarning, stacklevel=1)
            warnings.warn("not ours", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "ServiceGoneWarning: It is gone.\n"
    assert [str(other.message) for other in others] == ["not ours"]


def test_a_session_is_shown_without_its_service_and_one_line_says_so(shell, monkeypatch, capsys):
    with LocalService() as lost:
        monkeypatch.setenv("AOD_API_URL", lost.url)
        monkeypatch.setenv("AOD_API_TOKEN", lost.aod_token)
        shell.run("%reload_ext aod_notebook")
        shell.run("%%aod --runtime shell --quiet\necho words")
    shell.run("%reload_ext aod_notebook")
    monkeypatch.setattr("aod_notebook.core.retry.RetryPolicy.backoff", lambda *_: 0.0)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shell.run("%aod attach last -o s")
        messages = shell.run("%aod messages last")
    told = capsys.readouterr()
    assert "\nwords\n" in told.out
    assert messages["text"].tolist() == ["words"]
    assert shell.names["s"].status == "completed"
    first, second = told.err.splitlines()
    assert first == second
    assert first.startswith(f"ServiceGoneWarning: Session {shell.names['s'].id} is shown as far as")
