"""`python -m allmende.servicekit serve SERVICE`: what the supervisor runs."""

from .commands import main

main()
