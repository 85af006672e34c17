"""`python -m peer` is the `twofold` command."""

from peer.cli import main

if __name__ == "__main__":
    main()
