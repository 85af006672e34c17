"""Uploading to another machine's page, over HTTP: what `twofold push` does."""
