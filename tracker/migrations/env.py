"""Runs the migrations over the connection that `tracker.database` hands in, in its transaction."""

from alembic import context

from tracker.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite's tables can be made in a transaction: a start that is killed leaves nothing half done.
    transactional_ddl=True,
)
context.run_migrations()
