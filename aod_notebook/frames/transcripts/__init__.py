"""The frames that are read from what agents wrote: messages, tool calls, results, usage."""
