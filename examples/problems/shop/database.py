"""The shop's database: one table in SQLite, behind a query that takes its time. Every load is noted in a file, outside
all caches, so that the page can say who asked the database and when."""

import os
import sqlite3
import time
from pathlib import Path

FOLDER = Path(os.environ["PROBLEMS_FOLDER"])
QUERY_SECONDS = 0.1
SCHEMA = "CREATE TABLE IF NOT EXISTS product (number INTEGER PRIMARY KEY, price INTEGER NOT NULL)"


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(FOLDER / "shop.sqlite", timeout=20)
    connection.execute(SCHEMA)
    return connection


def load_price(number: int) -> int | None:
    """The price of a product, None if there is no such product."""
    with connect() as connection:
        row = connection.execute("SELECT price FROM product WHERE number = ?", (number,)).fetchone()
    note("load", number)
    time.sleep(QUERY_SECONDS)
    return row and row[0]


def store_price(number: int, price: int) -> None:
    with connect() as connection:
        connection.execute("INSERT OR REPLACE INTO product VALUES (?, ?)", (number, price))


def note(what: str, number: int) -> None:
    line = f"{what} {number} {os.getpid()} {time.monotonic()}\n"
    with open(FOLDER / "notes", "a") as file:  # one write, so lines stay whole
        file.write(line)
