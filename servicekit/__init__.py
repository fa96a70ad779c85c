"""What every service stands on: the batch loop, inbox and outbox, settings, telemetry, health, servers.

Knows no business word. The way of a message: `pull` -> `loop` -> `inbox` -> the service's handler ->
`outbox` -> `publisher`.
"""
