"""Databases as opencode writes them."""

import sqlite3
from contextlib import closing


def make_database(path, tables):
    """Write an opencode database, with a table of secrets beside those that are read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        for name, rows in tables.items():
            columns = list(rows[0])
            marks = ", ".join("?" * len(columns))
            database.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            values = [tuple(row[column] for column in columns) for row in rows]
            database.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
        database.execute("CREATE TABLE credential (id, token)")
        database.execute("INSERT INTO credential VALUES (1, 'hidden-token')")
    return path
