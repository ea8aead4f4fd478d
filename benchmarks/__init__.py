"""What everything costs: `make bench`, `make bench-ci` and the tables beside them. See README.md here.

Milliseconds belong to the machine they were taken on and are never gated; counts and ratios are.
"""
