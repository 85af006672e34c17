"""The history of the tracker's tables, run by alembic at every start."""
