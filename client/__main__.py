"""`python -m allmende.client`: the `allmende` command where its script is not on the path."""

from .cli import main

main()
