"""Alembic's entry: applied by `allmende db upgrade`."""

from allmende.servicekit import migration

migration.run()
