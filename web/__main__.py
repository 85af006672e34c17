"""`python -m web` is `twofold-web`."""

from web.cli import main

main()
