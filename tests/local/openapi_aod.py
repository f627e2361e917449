"""The Agent on Demand half as an OpenAPI description, written by hand."""

from dataclasses import dataclass

from openapi_parts import (
    ANY_OBJECT,
    INTEGER,
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

CATALOG = (
    "anthropic/claude-opus-4-6",
    "anthropic/claude-sonnet-4-6",
    "openai/gpt-4.1",
    "openai/o3",
    "google/gemini-2.5-pro",
)
RUNTIMES = ("claude", "codex", "gemini", "opencode", "replay")
PROVIDERS = ("anthropic", "openai", "replay")
MANAGERS = ("apt", "cargo", "gem", "go", "npm", "pip")
VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"


@dataclass(frozen=True)
class Ids:
    """Ids that operations may name.

    What sessions run on (`runnable`, `plain`) is never what other operations change (`agents`,
    `environments`), so that no generated script or runtime ever gets to work.
    """

    agents: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    runnable: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()


# ---- errors ----

DETAIL = exact(detail=TEXT)
FIELD_ERRORS = exact(
    detail=array(
        exact(type=TEXT, loc=array({"type": ["string", "integer"]}), msg=TEXT, input={}, url=TEXT),
        minItems=1,
    )
)
ERRORS = {
    400: response(json=DETAIL),
    401: response(json=DETAIL),
    404: response(json=DETAIL, plain=TEXT),  # plain for a path segment that is no UUID
    409: response(json=DETAIL),
    413: response(json=DETAIL),
    422: response(json={"anyOf": [DETAIL, FIELD_ERRORS]}),
    429: response(json=exact(detail=TEXT, limit=INTEGER, active=INTEGER)),
    503: response(json=DETAIL),
}
BODY = (400, 413, 422)


def operation(success, *errors, takes=None, parameters=()):
    """Describe an operation behind a token: its one success, and which errors it answers."""
    ((status, answer),) = success.items()
    responses = {str(status): answer}
    responses |= {str(error): ERRORS[error] for error in (401, *errors)}
    described = {"responses": responses, "parameters": list(parameters)}
    return described | ({"requestBody": body(takes)} if takes else {})


def answers(status, schema):
    return {status: response(json=schema)}


def listed(schema):
    return exact(data=array(schema))


# ---- agents ----

INLINE_SKILL = exact(
    name=text(pattern="^[a-z0-9][a-z0-9-]{0,63}$"),
    description=text(maxLength=1024),
    content=TEXT,
)
GITHUB_SKILL = obj(
    "type description source",
    type=choice("github"),
    description=text(maxLength=1024),
    source=text(pattern="^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"),
    name=text(pattern="^[a-z0-9][a-z0-9-]{0,63}$"),
) | {"additionalProperties": False}
SKILLS = array({"anyOf": [INLINE_SKILL, GITHUB_SKILL]}, maxItems=20)
URL_SERVER = obj("name url", name=TEXT, type=choice("url"), url=TEXT, headers=mapping(TEXT))
STDIO_SERVER = obj(
    "name type command",
    name=TEXT,
    type=choice("stdio"),
    command=TEXT,
    args=array(TEXT),
    env=mapping(TEXT),
)
MCP_SERVERS = array({"anyOf": [URL_SERVER, STDIO_SERVER]}, maxItems=20)

SNAPSHOT = {
    "id": TEXT,
    "type": choice("agent"),
    "name": TEXT,
    "description": nullable(TEXT),
    "system": nullable(TEXT),
    "model": TEXT,
    "runtime": TEXT,
    "provider": TEXT,
    "environment_id": nullable(TEXT),
    "skills": array(ANY_OBJECT),
    "mcp_servers": array(ANY_OBJECT),
    "metadata": ANY_OBJECT,
    "version": INTEGER,
    "created_at": text(format="date-time"),
}
ENDED = {"updated_at": text(format="date-time"), "archived_at": nullable(text(format="date-time"))}
AGENT = exact(**SNAPSHOT, **ENDED)
AGENT_VERSION = exact(**SNAPSHOT)


def agent_create(ids):
    shared = {
        "name": text(maxLength=200),
        "system": TEXT,
        "description": TEXT,
        "environment_id": nullable(one_of(ids.environments)),
        "skills": SKILLS,
        "mcp_servers": MCP_SERVERS,
        "metadata": ANY_OBJECT,
    }
    runtime_api = obj(
        "name model runtime", **shared, model=choice(*CATALOG), runtime=choice(*RUNTIMES)
    )
    provider_api = obj(
        "name model provider", **shared, model=text(maxLength=100), provider=choice(*PROVIDERS)
    )
    return {"anyOf": [runtime_api, provider_api]}


def agent_update(ids):
    return obj(
        "version",
        version=integer(1, 3),
        name=nullable(TEXT),
        system=nullable(TEXT),
        description=nullable(TEXT),
        environment_id=nullable(one_of(ids.environments)),
        skills=nullable(SKILLS),
        mcp_servers=nullable(MCP_SERVERS),
        metadata=nullable(ANY_OBJECT),
        model=nullable(choice(*CATALOG)),
        runtime=nullable(choice(*RUNTIMES)),
    )


def agent_paths(ids):
    one = [parameter("id", "path", one_of(ids.agents))]
    return {
        "/agents": {
            "get": operation(answers(200, listed(AGENT))),
            "post": operation(answers(201, AGENT), *BODY, 404, 409, takes=agent_create(ids)),
        },
        "/agents/{id}": {
            "get": operation(answers(200, AGENT), 404, parameters=one),
            "put": operation(
                answers(200, AGENT), *BODY, 404, 409, takes=agent_update(ids), parameters=one
            ),
        },
        "/agents/{id}/archive": {"post": operation(answers(200, AGENT), 404, 409, parameters=one)},
        "/agents/{id}/versions": {
            "get": operation(answers(200, listed(AGENT_VERSION)), 404, parameters=one)
        },
    }


# ---- environments ----

UNRESTRICTED = obj(type=choice("unrestricted"))
LIMITED = obj("type", type=choice("limited"), allowed_hosts=array(TEXT))
NETWORKING = {"anyOf": [UNRESTRICTED, LIMITED]}
PACKAGES = {
    "type": "object",
    "properties": {manager: array(TEXT) for manager in MANAGERS},
    "additionalProperties": False,
}
VARIABLES = mapping(TEXT) | {"propertyNames": {"pattern": VARIABLE}}
ENVIRONMENT_SNAPSHOT = {
    "id": TEXT,
    "type": choice("environment"),
    "name": TEXT,
    "packages": PACKAGES,
    "setup_script": nullable(TEXT),
    "networking": obj("type", type=choice("unrestricted", "limited")),
    "version": INTEGER,
    "created_at": text(format="date-time"),
}
ENVIRONMENT = exact(**ENVIRONMENT_SNAPSHOT, **ENDED)
ENVIRONMENT_VERSION = exact(**ENVIRONMENT_SNAPSHOT)
ENVIRONMENT_CREATE = obj(
    "name",
    name=text(maxLength=200),
    packages=PACKAGES,
    env_vars=VARIABLES,
    setup_script=TEXT,
    networking=NETWORKING,
)
ENVIRONMENT_UPDATE = obj(
    "version",
    version=integer(1, 3),
    name=nullable(TEXT),
    packages=nullable(PACKAGES),
    env_vars=nullable(VARIABLES),
    setup_script=nullable(TEXT),
    networking=nullable(NETWORKING),
)


def environment_paths(ids):
    one = [parameter("id", "path", one_of(ids.environments))]
    return {
        "/environments": {
            "get": operation(answers(200, listed(ENVIRONMENT))),
            "post": operation(answers(201, ENVIRONMENT), *BODY, 409, takes=ENVIRONMENT_CREATE),
        },
        "/environments/{id}": {
            "get": operation(answers(200, ENVIRONMENT), 404, parameters=one),
            "put": operation(
                answers(200, ENVIRONMENT),
                *(*BODY, 404, 409),
                takes=ENVIRONMENT_UPDATE,
                parameters=one,
            ),
        },
        "/environments/{id}/archive": {
            "post": operation(answers(200, ENVIRONMENT), 404, 409, parameters=one)
        },
        "/environments/{id}/versions": {
            "get": operation(answers(200, listed(ENVIRONMENT_VERSION)), 404, parameters=one)
        },
        "/environments/{id}/delete": {
            "delete": operation(
                answers(200, exact(detail=choice("Environment deleted"))), 404, 409, parameters=one
            )
        },
    }


# ---- sessions ----

STATUS = choice("pending", "running", "completed", "failed", "terminated")
MOUNTED = exact(type=choice("github_repository"), url=TEXT, mount_path=text(pattern="^/"))
SESSION_FIELDS: dict = {
    "id": TEXT,
    "agent_id": nullable(TEXT),
    "environment_id": nullable(TEXT),
    "runtime": TEXT,
    "provider": TEXT,
    "status": STATUS,
    "exit_code": nullable(INTEGER),
    "created_at": text(format="date-time"),
    "updated_at": text(format="date-time"),
    "resources": array(MOUNTED),
    "turn_count": INTEGER,
    "current_turn": nullable(INTEGER),
    "idempotency_key": nullable(TEXT),
}
SESSION = exact(**SESSION_FIELDS)
# How far its log is at this moment: for readers that want all of that, and no more.
SESSION_NOW = exact(**SESSION_FIELDS, last_event_id=INTEGER)
MODEL_USED = exact(
    model=nullable(TEXT),
    requests=INTEGER,
    input_tokens=nullable(INTEGER),
    output_tokens=nullable(INTEGER),
    cache_read_tokens=nullable(INTEGER),
    cache_creation_tokens=nullable(INTEGER),
    cache_creation_1h_tokens=nullable(INTEGER),
    reasoning_tokens=nullable(INTEGER),
    web_searches=INTEGER,
    cost_usd=nullable({"type": "number"}),
)
USAGE = exact(
    session_id=TEXT,
    status=STATUS,
    source=nullable(choice("log")),
    input_includes_cache={"type": "boolean"},
    output_includes_reasoning={"type": "boolean"},
    models=array(MODEL_USED),
)
TURN = exact(
    turn_number=integer(1, 10**6),
    prompt=TEXT,
    status=choice("pending", "running", "completed", "failed", "interrupted"),
    exit_code=nullable(INTEGER),
    created_at=text(format="date-time"),
    started_at=nullable(text(format="date-time")),
    ended_at=nullable(text(format="date-time")),
)
ACK = {
    "id": TEXT,
    "status": choice("pending"),
    "stream_url": text(pattern="^/sessions/.+/stream$"),
    "current_turn": INTEGER,
}
CREATE_ACK = exact(**ACK, environment_id=nullable(TEXT), resources=array(MOUNTED))
REPOSITORY = obj(
    "type url",
    type=choice("github_repository"),
    url=text(pattern=r"^https://github\.com/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$"),
    mount_path=nullable(text(pattern="^/[a-z]+(/[a-z]+)?$")),
    authorization_token=nullable(TEXT),
)


def session_create(ids):
    return obj(
        "agent_id prompt",
        agent_id=one_of(ids.runnable),
        prompt=TEXT,
        timeout=integer(10, 3600),
        environment_id=nullable(one_of(ids.plain)),
        resources=array(REPOSITORY, maxItems=10),
        secret_env_vars=VARIABLES,
    )


def session_paths(ids):
    one = [parameter("id", "path", one_of(ids.sessions + ids.working))]
    over = [parameter("id", "path", one_of(ids.sessions))]  # the stream of the others has no end
    cursors = [parameter("since", "query", INTEGER), parameter("Last-Event-ID", "header", INTEGER)]
    prompt = obj("prompt", prompt=TEXT, timeout=integer(10, 3600))
    return {
        "/sessions": {
            "get": operation(answers(200, listed(SESSION))),
            "post": operation(
                answers(202, CREATE_ACK), *BODY, 404, 409, 429, 503, takes=session_create(ids)
            ),
        },
        "/sessions/{id}": {"get": operation(answers(200, SESSION_NOW), 404, parameters=one)},
        "/sessions/{id}/prompt": {
            "post": operation(
                answers(202, exact(**ACK)), *BODY, 404, 409, 503, takes=prompt, parameters=one
            )
        },
        "/sessions/{id}/usage": {"get": operation(answers(200, USAGE), 404, parameters=one)},
        "/sessions/{id}/turns": {"get": operation(answers(200, listed(TURN)), 404, parameters=one)},
        "/sessions/{id}/terminate": {
            "post": operation(
                answers(200, exact(id=TEXT, status=choice("terminated"))), 404, 409, parameters=one
            )
        },
        "/sessions/{id}/interrupt": {
            "post": operation(
                answers(202, exact(id=TEXT, status=choice("pending", "running"))),
                *(404, 409),
                parameters=one,
            )
        },
        "/sessions/{id}/delete": {
            "delete": operation(
                answers(200, exact(detail=choice("Session deleted"))), 404, 409, parameters=one
            )
        },
        "/sessions/{id}/stream": {
            "get": operation({200: response(sse=SSE)}, 400, 404, parameters=[*over, *cursors])
        },
    }


# ---- the whole ----

CHECKS = exact(db=TEXT, crypto=TEXT)
HEALTH = {
    "responses": {
        "200": response(json=exact(status=choice("ok"), checks=CHECKS)),
        "503": response(json=exact(status=choice("degraded"), checks=CHECKS)),
    }
}


def describe(ids=Ids()):
    """Describe every endpoint; the ids are those of rows that are there."""
    paths = agent_paths(ids) | environment_paths(ids) | session_paths(ids)
    return document("Agent on Demand", {"/health": {"get": HEALTH}, **paths})
