"""`python -m benchmarks.peers`: the tables of peers."""

import argparse

from benchmarks.errors import run_command
from benchmarks.machine import describe
from benchmarks.peers.comparison import ROUNDS, compare, entries, published_table, table


def main(arguments: list[str] | None = None) -> int:
    """Prints what ours and the peers cost on one thread, interleaved, and what was published."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(arguments)
    rows, whole_path = compare(entries(), given.rounds)
    print(f"{describe().label}. Processor time on one thread, medians of {given.rounds} interleaved rounds; 128 px.\n")
    print(table(rows, whole_path))
    print(published_table())
    return 0


if __name__ == "__main__":
    run_command("benchmarks.peers", main)
