"""Files that show what was issued: pure renderers, from contracts to bytes."""
