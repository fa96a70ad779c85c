"""Cost clauses of public bodies as documents, each with worked examples, and the command that runs them.

`NAME.yaml` is a clause, `examples/NAME.yaml` what must come out, `exclusions.yaml` what is no pricing matter.
The facts are paraphrased from the public documents that every clause names.
"""
