"""`python -m tracker` is `twofold-tracker`."""

from tracker.cli import main

if __name__ == "__main__":
    main()
