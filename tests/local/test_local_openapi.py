"""Both halves do what hand-written OpenAPI descriptions say, whatever is sent to them.

Schemathesis makes requests out of the descriptions, fitting ones and faulty ones: first its list
of boundary cases, then random ones from a fixed seed. No answer may be a 5xx, a status that the
description does not name, or a body of another shape.
"""

import hypothesis.core
import openapi_agentos
import openapi_aod
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service_kit import Kit, Rpc, connect

from aod_notebook.local import LocalService

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
RANDOM_CASES = 5
SEEDED = settings(
    max_examples=RANDOM_CASES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # what was sent has changed rows: nothing could be shrunk
    suppress_health_check=list(HealthCheck),
)


def operations(description):
    return [
        pytest.param(method, path, id=f"{method.upper()} {path}")
        for path, methods in description["paths"].items()
        for method in methods
    ]


@pytest.fixture(scope="module")
def half_service(tmp_path_factory):
    """A service that finds no program: no git, no shell, no CLI."""
    with pytest.MonkeyPatch.context() as patch, LocalService(human_input_hold_s=0.05) as running:
        # schemathesis swaps hypothesis' printer; other modules' falsifying examples need it back
        patch.setattr(
            hypothesis.core, "RepresentationPrinter", hypothesis.core.RepresentationPrinter
        )
        patch.setenv("PATH", str(tmp_path_factory.mktemp("no-programs")))
        yield running


def load(description, method, path):
    return schemathesis.openapi.from_dict(description)[path][method]


def send(case, service, session, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return case.call(base_url=service.url, session=session, headers=headers, timeout=10)


def exercise(operation, service, token):
    """Send an operation's boundary cases, then random ones; return the statuses seen."""
    faulty = bool(operation.body or list(operation.iter_parameters()))
    modes = list(GenerationMode) if faulty else [GenerationMode.POSITIVE]
    statuses = set()
    with requests.Session() as session:

        def check(case):
            response = send(case, service, session, token)
            statuses.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        config = operation.schema.config.generation
        for case in operation.schema.iter_coverage_cases(
            operation, generation_modes=modes, generation_config=config
        ):
            check(case)
        for mode in modes:
            SEEDED(given(operation.as_strategy(generation_mode=mode))(check))()
    return statuses


def greet(operation, service, token):
    """Send a fitting request with some token, or none; return the statuses seen."""
    statuses = set()
    with requests.Session() as session:

        def check(case):
            response = send(case, service, session, token)
            statuses.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        settings(SEEDED, max_examples=1)(given(operation.as_strategy())(check))()
    return statuses


# ---- Agent on Demand ----


@pytest.fixture
def aod_ids(half_service):
    """Rows in every state, for one operation."""
    with connect(half_service.url, half_service.aod_token) as client:
        yield make_rows(Kit(client))


def make_rows(kit):
    agents = [kit.agent(runtime="replay") for _ in range(2)]
    environments = [kit.environment() for _ in range(3)]
    runner, gone = kit.agent(runtime="replay"), kit.agent(runtime="replay")
    plain, closed = kit.environment(), kit.environment()
    sessions = [kit.session("any", runner) for _ in range(5)]
    for session in sessions:
        kit.finish(session)
    kit.post(f"/sessions/{sessions[0]['id']}/terminate")
    kit.post(f"/agents/{gone['id']}/archive")
    kit.post(f"/environments/{closed['id']}/archive")

    slow = kit.agent(runtime="replay", metadata={"replay": {"pace": 600}})
    working = [kit.session("any", slow) for _ in range(2)]

    def ids(rows):
        return tuple(row["id"] for row in rows)

    return openapi_aod.Ids(
        agents=ids([*agents, gone]),
        environments=ids([*environments, closed]),
        sessions=ids(sessions),
        working=ids(working),
        runnable=ids([runner, gone]),
        plain=ids([plain, closed]),
    )


@pytest.mark.parametrize(("method", "path"), operations(openapi_aod.describe()))
def test_the_aod_half_matches_its_description(half_service, aod_ids, method, path):
    operation = load(openapi_aod.describe(aod_ids), method, path)
    seen = exercise(operation, half_service, half_service.aod_token)
    assert seen & {200, 201, 202}, "nothing succeeded, so little was tried"


@pytest.mark.parametrize(("method", "path"), operations(openapi_aod.describe())[1:])
def test_the_aod_half_reveals_nothing_to_strangers(half_service, method, path):
    operation = load(openapi_aod.describe(), method, path)
    assert greet(operation, half_service, None) == {401}


def test_requests_made_of_the_description_start_nothing_but_replays(half_service, aod_ids):
    operation = load(openapi_aod.describe(aod_ids), "post", "/sessions")
    exercise(operation, half_service, half_service.aod_token)
    with connect(half_service.url, half_service.aod_token) as client:
        sessions = client.get("/sessions").json()["data"]
    assert {session["agent_id"] for session in sessions} >= {aod_ids.runnable[0]}
    assert {session["runtime"] for session in sessions} == {"replay"}


# ---- AgentOS ----


@pytest.fixture
def agentos_ids(half_service):
    """Agents, runs, questions and records in every state, for one operation."""
    with connect(half_service.url, half_service.agentos_key) as client:
        yield make_records(Rpc(client), half_service.agent_id)


def make_records(rpc, agent_id):
    created = [
        rpc.call("agents_create", name="a", system_prompt="", provider_type="replay")["agent_id"]
        for _ in range(3)
    ]
    edited, resting = created[:2], created[2]
    rpc.call("agents_set_status", agent_id=resting, status="paused")
    runs = [rpc.start(agent_id) for _ in range(4)]
    rpc.data("/api/ingest/v1/run/cancel", {"run_id": runs[0]})

    def pause(**pause):
        return rpc.invoke(agent_id, 202, input={"replay": {"pauses": [pause]}})

    asked = [pause(ask="Which?") for _ in range(3)]
    approved = [pause(approve="delete") for _ in range(3)]
    talks = [rpc.invoke(agent_id, start_session=True)["session_id"] for _ in range(2)]
    folder = rpc.call("folders_create", name=f"f-{runs[0]}")
    key = rpc.call("api_keys_create", agent_id=agent_id, name="k")
    return openapi_agentos.Ids(
        agents=tuple(edited),
        runnable=(agent_id, resting),
        runs=tuple(runs),
        paused=tuple(run["run_id"] for run in asked + approved),
        requests=tuple(run["awaiting_input"]["request_id"] for run in asked),
        approvals=tuple(run["awaiting_approval"]["approval_id"] for run in approved),
        conversations=tuple(talks),
        folders=(folder["id"],),
        keys=(key["id"],),
    )


@pytest.mark.parametrize(("method", "path"), operations(openapi_agentos.describe()))
def test_the_agentos_half_matches_its_description(half_service, agentos_ids, method, path):
    operation = load(openapi_agentos.describe(agentos_ids), method, path)
    seen = exercise(operation, half_service, half_service.agentos_key)
    assert seen & {200, 202}, "nothing succeeded, so little was tried"


@pytest.mark.parametrize(("method", "path"), operations(openapi_agentos.describe_hosted_only()))
def test_a_method_of_the_hosted_service_matches_its_description(half_service, method, path):
    operation = load(openapi_agentos.describe_hosted_only(), method, path)
    assert greet(operation, half_service, half_service.agentos_key) == {404}


@pytest.mark.parametrize(("method", "path"), operations(openapi_agentos.describe()))
def test_the_agentos_half_reveals_nothing_to_strangers(half_service, method, path):
    operation = load(openapi_agentos.describe(), method, path)
    assert greet(operation, half_service, None) == {401}


@pytest.mark.parametrize(
    ("method", "path"),
    [entry for entry in operations(openapi_agentos.describe()) if "/rpc/" in entry.values[1]],
)
def test_an_agent_key_moves_nothing_in_the_control_plane(half_service, method, path):
    operation = load(openapi_agentos.describe(), method, path)
    assert greet(operation, half_service, half_service.agent_key) == {403}
