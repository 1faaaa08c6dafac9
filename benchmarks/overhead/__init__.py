"""What benchmarks/overhead.py measures: a module for each integration, whose `rows(bench)` times its calls."""
