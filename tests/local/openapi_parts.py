"""Small parts of which the two hand-written OpenAPI descriptions are built."""

TEXT = {"type": "string"}
BOOLEAN = {"type": "boolean"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
ANY_OBJECT = {"type": "object"}
NOBODY = "00000000-0000-4000-8000-000000000000"


def choice(*values):
    return {"enum": list(values)}


def obj(required="", **properties):
    """Describe an object; `required` names its required fields, separated by blanks."""
    return {"type": "object", "properties": properties, "required": required.split()}


def exact(**properties):
    """Describe an object that has these fields, always, and no others."""
    return obj(" ".join(properties), **properties) | {"additionalProperties": False}


SSE = obj("data", data=TEXT, event=choice("message"), id=TEXT)  # of one event


def array(items, **limits):
    return {"type": "array", "items": items, **limits}


def mapping(values):
    return {"type": "object", "additionalProperties": values}


def nullable(schema):
    return {"anyOf": [schema, {"type": "null"}]}


def text(**limits):
    return {"type": "string", **limits}


def integer(least, most):
    return {"type": "integer", "minimum": least, "maximum": most}


def one_of(ids):
    """Describe an id: one of a row that is there, or a well-formed one of none."""
    return choice(*ids, NOBODY)


def body(schema):
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def parameter(name, place, schema):
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def response(**media):
    """Describe an answer by the schema of each media type; `json`, `sse` and `plain`."""
    names = {"json": "application/json", "sse": "text/event-stream", "plain": "text/plain"}
    content = {names[kind]: {"schema": schema} for kind, schema in media.items()}
    return {"description": "", "content": content}


def document(title, paths):
    return {"openapi": "3.1.0", "info": {"title": title, "version": "0.1.0"}, "paths": paths}
