"""What is shown of sessions: rows, plain text and static HTML."""
