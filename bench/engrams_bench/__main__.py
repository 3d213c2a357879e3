"""`python -m engrams_bench` is `engrams-bench`."""

from engrams_bench.cli import main

if __name__ == "__main__":
    main()
