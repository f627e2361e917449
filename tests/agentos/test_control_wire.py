"""The request of each of the 56 control-plane methods is the published SDK's."""

import json
import typing

import httpx
import pytest
from agentos_sdks import NEWEST, folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official import Official

from aod_notebook.agentos import UNSET, AgentOS, Listing
from aod_notebook.agentos._sync import control_agents, control_space, control_work
from aod_notebook.agentos.control import methods_of
from aod_notebook.agentos.rows import Row

CLASSES = {
    name: cls
    for module in (control_agents, control_space, control_work)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and cls.__module__ == module.__name__ and not name.startswith("_")
}
METHODS = {
    f"{attribute}.{name}": method
    for attribute, cls in {
        "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_"): cls
        for name, cls in CLASSES.items()
    }.items()
    for name, method in methods_of(cls).items()
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def values(annotation):
    """Values of a parameter's type, and None for those that may be left out."""
    if annotation is type(None):
        return st.none()
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return st.sampled_from(typing.get_args(annotation))
    if origin is list:
        return st.lists(values(typing.get_args(annotation)[0]), max_size=3)
    if origin is dict or annotation is dict:
        return st.dictionaries(st.text(max_size=5), json_values, max_size=3)
    if origin is not None:
        return st.one_of(*(values(each) for each in typing.get_args(annotation)))
    return {
        str: st.text(min_size=1, max_size=12),
        int: st.integers(-1000, 1000),
        bool: st.booleans(),
        float: st.floats(-10, 10),
    }[annotation]


def arguments(path):
    """Arguments of a method: the required ones, any of the others, some of them None."""
    namespace, _, name = path.partition(".")
    cls = CLASSES["".join(part.title() for part in namespace.split("_"))]
    function = vars(cls)[name]
    scope = {
        **vars(typing.cast("typing.Any", __import__(cls.__module__, fromlist=["x"]))),
        "Row": Row,
    }
    hints = {
        key: eval(text, scope)
        for key, text in function.__wrapped__.__annotations__.items()
        if key not in ("return", "options")
    }
    required, optional = {}, {}
    for parameter in METHODS[path].signature.parameters.values():
        if parameter.name == "self":
            continue
        kinds = values(hints[parameter.name])
        if parameter.default is UNSET:
            optional[parameter.name] = kinds | st.none()
        else:
            required[parameter.name] = kinds
    return st.fixed_dictionaries(required, optional=optional)


@pytest.fixture(scope="module")
def official():
    child = Official(folder(NEWEST))
    yield child
    child.close()


class Ours:
    """Our client, whose requests are kept."""

    def __init__(self):
        self.seen = []
        self.http_client = httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request):
        self.seen.append(
            {
                "method": request.method,
                "path": request.url.path,
                "body": json.loads(request.content),
                "authorization": request.headers["authorization"],
            }
        )
        return httpx.Response(200, json={"data": []})

    def request(self, path, args, workspace=None):
        client = AgentOS(
            api_key="aos_ws_k",
            base_url="http://agentos.test",
            workspace=workspace,
            http_client=self.http_client,
        )
        namespace, _, name = path.partition(".")
        getattr(getattr(client, namespace), name)(**args)
        client.close()
        return self.seen.pop()


@pytest.fixture(scope="module")
def ours():
    kept = Ours()
    yield kept
    kept.http_client.close()


def test_all_56_methods_are_there():
    assert len(METHODS) == 56
    assert len({method.rpc for method in METHODS.values()}) == 56


@pytest.mark.parametrize("path", sorted(METHODS))
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_request_is_the_official_one(ours, official, path, data):
    args = data.draw(arguments(path))
    workspace = data.draw(st.none() | st.just("acme"))
    assert ours.request(path, args, workspace) == official.request(path, args, workspace)


def test_a_parameter_given_as_unset_is_left_out(ours):
    sent = ours.request("agents.update", {"agent_id": "a", "folder_id": UNSET, "name": None})
    assert sent["body"] == {"agent_id": "a", "name": None}


def test_the_workspace_of_a_call_wins_over_that_of_the_client(ours, official):
    args = {"workspace": "other"}
    sent = ours.request("agents.list", args, "acme")
    assert sent["body"] == {"workspace": "other"}
    assert sent == official.request("agents.list", args, "acme")


def test_unknown_and_missing_arguments_are_refused_before_sending(ours):
    with pytest.raises(TypeError, match="agent_ids"):
        ours.request("agents.get", {"agent_id": "a", "agent_ids": "a"})
    with pytest.raises(TypeError, match="agent_id"):
        ours.request("agents.get", {})
    assert ours.seen == []


def test_a_list_cut_by_its_limit_says_so():
    rows = Listing([{"id": "1"}, {"id": "2"}], limit=2)
    assert rows.is_cut
    assert "cut at limit=2" in repr(rows)
    assert not Listing([{"id": "1"}], limit=2).is_cut
