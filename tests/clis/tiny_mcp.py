"""An MCP server on stdio with two tools: add, and divide, which fails for b = 0."""

import json
import sys

NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
TOOLS = {"add": lambda a, b: a + b, "divide": lambda a, b: a / b}


def call(params):
    try:
        # A text that is JSON, such as a bare number, is an error for Gemini 0.61.
        text, failed = f"It is {TOOLS[params['name']](**params['arguments'])}.", False
    except ZeroDivisionError as error:
        text, failed = str(error), True
    return {"content": [{"type": "text", "text": text}], "isError": failed}


def answer(method, params):
    if method == "initialize":
        version = params["protocolVersion"]
        server = {"name": "sums", "version": "1"}
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": NUMBERS} for name in TOOLS]}
    return call(params) if method == "tools/call" else {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        result = answer(message["method"], message.get("params"))
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
