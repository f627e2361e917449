"""The AgentOS half as an OpenAPI description, written by hand.

Where the contract leaves a result open it is described as any object or list. The control
plane's methods that need the hosted service are described as what they are here: a 404.
"""

from dataclasses import dataclass

from openapi_parts import (
    ANY_OBJECT,
    BOOLEAN,
    INTEGER,
    NUMBER,
    SSE,
    TEXT,
    array,
    body,
    choice,
    document,
    exact,
    integer,
    mapping,
    nullable,
    obj,
    one_of,
    parameter,
    response,
    text,
)

NAME = text(minLength=1)
TIME = text(format="date-time")
COUNT = integer(0, 2**63 - 1)
LIMIT = integer(1, 1000)
NULL = {"type": "null"}
OBJECTS = array(ANY_OBJECT)


@dataclass(frozen=True)
class Ids:
    """Ids that operations may name; `runnable` agents are on `replay` and are never changed."""

    agents: tuple[str, ...] = ()
    runnable: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


# ---- envelope and errors ----


def refusal(*codes):
    error = exact(code=choice(*codes), message=NAME)
    return response(json=exact(data=NULL, error=error))


ERRORS = {
    400: refusal("VALIDATION_ERROR"),
    401: refusal("UNAUTHENTICATED"),
    403: refusal("FORBIDDEN"),
    404: refusal("NOT_FOUND"),
    408: refusal("TIMEOUT"),
    409: refusal("CONFLICT"),
    413: refusal("PAYLOAD_TOO_LARGE"),
    422: refusal("RUN_FAILED", "RUNTIME_NOT_INSTALLED"),
}
ALWAYS = (400, 401, 403, 413)


def success(data, **media):
    return response(json=exact(data=data, error=NULL), **media)


def call(takes, successes, *errors, parameters=()):
    """Describe a POST: its body, its successes by status, and the errors beside the usual ones."""
    responses = {str(status): answer for status, answer in successes.items()}
    responses |= {str(error): ERRORS[error] for error in (*ALWAYS, *errors)}
    operation = {"requestBody": body(takes), "responses": responses}
    return {"post": operation | {"parameters": list(parameters)}}


# ---- reported runs ----

EVENT = {
    "type": NAME,
    "level": choice("debug", "info", "warn", "error"),
    "payload": ANY_OBJECT,
    "occurred_at": TIME,
    "event_id": NAME,
}
SPAN = {
    "span_id": NAME,
    "started_at": TIME,
    "ended_at": TIME,
    "duration_ms": COUNT,
    "parent_span_id": NAME,
    "kind": TEXT,
}
EVENTS = array(obj("type level payload occurred_at", **EVENT, **SPAN), minItems=1, maxItems=1000)
TASK = obj(
    "id name status",
    id=NAME,
    name=TEXT,
    status=choice("pending", "running", "completed", "failed", "skipped"),
    input=ANY_OBJECT,
    output=ANY_OBJECT,
    error_message=TEXT,
)
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")


def ingest_paths(ids):
    run = one_of(ids.runs)
    start = obj(
        "agent_id trigger_type input",
        agent_id=one_of(ids.runnable),
        trigger_type=NAME,
        input=ANY_OBJECT,
        external_run_id=NAME,
        parent_run_id=one_of(ids.runs),
    )
    complete = obj("run_id", run_id=run, output=ANY_OBJECT, **dict.fromkeys(TOKENS, COUNT))
    fail = obj("run_id error_message", run_id=run, error_message=TEXT, error_detail=ANY_OBJECT)
    ask = obj(
        "run_id prompt timeout_seconds",
        run_id=run,
        prompt=TEXT,
        timeout_seconds=integer(1, 3600),
        context=ANY_OBJECT,
        request_id=one_of(ids.requests),
    )
    held = {
        "anyOf": [
            exact(status=choice("pending"), request_id=NAME),
            exact(input=NAME, request_id=NAME),
        ]
    }
    ended = {200: success(obj("run_id status", run_id=NAME, status=TEXT))}
    started = {200: success(obj("run_id", run_id=NAME, accepts=array(TEXT)))}
    stored = {200: success(ANY_OBJECT)}
    paths = {
        "run/start": call(start, started, 404),
        "events": call(obj("run_id events", run_id=run, events=EVENTS), stored, 404),
        "tasks": call(obj("run_id task", run_id=run, task=TASK), stored, 404),
        "run/complete": call(complete, ended, 404, 409),
        "run/fail": call(fail, ended, 404, 409),
        "run/cancel": call(obj("run_id", run_id=run, reason=TEXT), ended, 404, 409),
        "human-input/request": call(ask, {200: success(held)}, 404, 408, 409),
    }
    return {f"/api/ingest/v1/{name}": path for name, path in paths.items()}


# ---- invoke and reply ----

PAUSE = {
    "anyOf": [
        obj("ask", ask=NAME, options=array(TEXT), context=ANY_OBJECT)
        | {"additionalProperties": False},
        obj("approve", approve=NAME) | {"additionalProperties": False},
    ]
}
INPUT = obj(replay=obj(pauses=array(PAUSE, maxItems=2), fail=NAME))
WAITING = obj("request_id question", request_id=NAME, question=TEXT, options=array(TEXT))
RESULT = obj(
    "run_id",
    run_id=NAME,
    output=ANY_OBJECT,
    duration_ms=INTEGER,
    session_id=NAME,
    awaiting_approval=exact(approval_id=NAME),
    awaiting_input=WAITING,
)
REPLIED = {200: success(RESULT), 202: success(RESULT)}
STREAMED = {200: success(RESULT, sse=SSE), 202: success(RESULT)}
HOSTED = (404, 408, 409, 422)


def invoke_fields(ids):
    turn = obj("role content", role=choice("user", "assistant"), content=TEXT)
    return {
        "input": INPUT,
        "prompt_variables": mapping(TEXT),
        "session_id": one_of(ids.conversations),
        "start_session": BOOLEAN,
        "history": array(turn),
        "external_user_id": TEXT,
    }


def run_paths(ids):
    agent = parameter("agent_id", "path", one_of(ids.runnable))
    run = parameter("run_id", "path", one_of(ids.runs + ids.paused))
    invoke = obj("input", **invoke_fields(ids), parent_run_id=TEXT, test=BOOLEAN, stream=BOOLEAN)
    reply = obj("request_id response", request_id=one_of(ids.requests), response=NAME)
    answer = obj("response", response=NAME)
    return {
        "/api/v1/agents/{agent_id}/invoke": call(invoke, STREAMED, *HOSTED, parameters=[agent]),
        "/api/v1/runs/{run_id}/human-input": call(answer, REPLIED, *HOSTED, parameters=[run]),
        "/api/v1/runs/{run_id}/reply": call(reply, REPLIED, *HOSTED, parameters=[run]),
    }


# ---- control plane ----

AGENT = obj("id name status", id=NAME, name=TEXT, status=choice("active", "paused", "archived"))
CREATED = obj("agent_id", agent_id=NAME)
RUN_STATUS = choice(
    *("running", "completed", "failed", "cancelled", "awaiting_input", "awaiting_approval")
)
RUN = obj(
    "id agent_id status output duration_ms",
    id=NAME,
    agent_id=NAME,
    status=RUN_STATUS,
    output=nullable(ANY_OBJECT),
    duration_ms=nullable(INTEGER),
)
STORED_EVENT = obj("id sequence_number", id=NAME, sequence_number=INTEGER, **EVENT, **SPAN)
KEY = obj(
    "id name prefix agent_id revoked last_used_at",
    id=NAME,
    name=TEXT,
    prefix=TEXT,
    agent_id=NAME,
    revoked=BOOLEAN,
    last_used_at=nullable(TIME),
)
NEW_KEY = KEY | {"required": [*KEY["required"], "api_key"]}
FOLDERS = array(obj("id name agent_count", id=NAME, name=TEXT, agent_count=INTEGER))
HEALTH = array(obj("agent_id score score_at_start failure_rate", score=integer(0, 100)))
SETTINGS = {
    "role": TEXT,
    "description": TEXT,
    "model": TEXT,
    "tools": array(TEXT),
    "tags": array(TEXT),
    "temperature": NUMBER,
    "max_tokens": INTEGER,
    "max_iterations": INTEGER,
    "prompt_variables": mapping(TEXT),
    "input_schema": ANY_OBJECT,
    "output_schema": ANY_OBJECT,
    "provider_type": choice("anthropic", "openai", "replay"),
}


def agent_methods(ids):
    agent, folder = one_of(ids.agents), one_of(ids.folders)
    status = choice("active", "paused", "archived")
    create = obj("name system_prompt", name=NAME, system_prompt=TEXT, folder_id=folder, **SETTINGS)
    update = obj(
        "agent_id",
        agent_id=agent,
        name=NAME,
        system_prompt=TEXT,
        pinned_resource_ids=array(TEXT),
        folder_id=nullable(folder),
        **SETTINGS,
    )
    by_id = obj("agent_id", agent_id=agent)
    set_status = obj("agent_id status", agent_id=agent, status=status)
    find = obj(status=status, folder_id={"anyOf": [folder, choice("none")]})
    return {
        "agents_create": (create, CREATED, 404),
        "agents_update": (update, AGENT, 404, 409),
        "agents_get": (by_id, AGENT, 404),
        "agents_delete": (by_id, ANY_OBJECT, 404, 409),
        "agents_set_status": (set_status, AGENT, 404),
        "agents_list": (find, array(AGENT)),
        "fleet_health": (obj(days=integer(1, 365)), HEALTH),
        "folders_create": (obj("name", name=NAME), ANY_OBJECT, 409),
        "folders_delete": (obj("folder_id", folder_id=folder), ANY_OBJECT, 404),
        "folders_list": (obj(), FOLDERS),
        "workspaces_list": (obj(), OBJECTS),
    }


def run_methods(ids):
    run, agent = one_of(ids.runs + ids.paused), one_of(ids.runnable)
    find = obj(agent_id=agent, status=RUN_STATUS, limit=LIMIT)
    events = obj("run_id", run_id=run, limit=LIMIT, after=COUNT)
    decide = obj(
        "approval_id decision",
        approval_id=one_of(ids.approvals),
        decision=choice("approved", "rejected"),
        decision_note=TEXT,
    )
    return {
        "runs_list": (find, array(RUN)),
        "runs_get": (obj("run_id", run_id=run), RUN, 404),
        "runs_get_events": (events, array(STORED_EVENT), 404),
        "runs_cancel": (obj("run_id", run_id=run), RUN, 404, 409),
        "approvals_list": (obj(agent_id=agent, limit=LIMIT), OBJECTS),
        "approvals_decide": (decide, ANY_OBJECT, 404, 409),
    }


def record_methods(ids):
    agent = one_of(ids.runnable)
    conversation = one_of(ids.conversations)
    return {
        "api_keys_create": (obj("agent_id name", agent_id=agent, name=NAME), NEW_KEY, 404),
        "api_keys_list": (obj(agent_id=agent, include_revoked=BOOLEAN), array(KEY)),
        "api_keys_revoke": (obj("key_id", key_id=one_of(ids.keys)), ANY_OBJECT, 404),
        "conversations_list": (
            obj(agent_id=agent, external_user_id=NAME, limit=LIMIT),
            OBJECTS,
        ),
        "conversations_get": (
            obj("conversation_id", conversation_id=conversation, message_limit=LIMIT),
            obj("id messages", id=NAME, messages=OBJECTS),
            404,
        ),
        "conversations_delete": (
            obj("conversation_id", conversation_id=conversation),
            ANY_OBJECT,
            404,
        ),
    }


HOSTED_ONLY = (
    *("alerts_create", "alerts_delete", "alerts_list", "alerts_update", "evals_create_case"),
    *("evals_delete_case", "evals_get_run", "evals_list_cases", "evals_run_case"),
    *("integrations_list", "marketplace_install_template", "marketplace_list_templates"),
    *("members_invite", "members_list", "members_remove", "notifications_list"),
    *("notifications_mark_read", "reports_delete", "reports_generate", "reports_get"),
    *("reports_list", "resources_create", "resources_delete", "resources_list"),
    *("schedules_delete", "schedules_get", "schedules_upsert", "tools_create_workspace"),
    *("tools_delete_workspace", "tools_list_builtin", "tools_list_composio"),
    "tools_list_workspace",
)


def rpc_paths(ids):
    methods = agent_methods(ids) | run_methods(ids) | record_methods(ids)
    invoke = obj("agent_id", agent_id=one_of(ids.runnable), **invoke_fields(ids))
    paths = {"runs_invoke": call(in_workspace(invoke), REPLIED, *HOSTED)}
    for name, (takes, data, *errors) in methods.items():
        # 404 is everywhere: a workspace that is not this one is not found
        paths[name] = call(in_workspace(takes), {200: success(data)}, *{404, *errors})
    return {f"/api/v1/rpc/{name}": path for name, path in paths.items()}


def in_workspace(takes):
    """Add the parameter that every method takes."""
    properties = takes["properties"] | {"workspace": choice("local", "elsewhere")}
    return takes | {"properties": properties}


def describe(ids=Ids()):
    """Describe every endpoint that is alive here; the ids are those of rows that are there."""
    return document("AgentOS", ingest_paths(ids) | run_paths(ids) | rpc_paths(ids))


def describe_hosted_only():
    """Describe the methods that need the hosted service."""
    responses = {str(status): ERRORS[status] for status in (401, 403, 413)}
    responses["404"] = refusal("NOT_AVAILABLE_LOCALLY")
    operation = {"requestBody": body(ANY_OBJECT), "responses": responses}
    paths = {f"/api/v1/rpc/{name}": {"post": operation} for name in HOSTED_ONLY}
    return document("AgentOS, hosted", paths)
