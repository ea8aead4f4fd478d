"""What each stage costs: `make bench`. Milliseconds belong to the machine they were taken on."""
