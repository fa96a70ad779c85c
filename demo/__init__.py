"""The demonstration: German grid sites of 2005 as members of an invented cooperative.

A member like any other: it uses the client and the contracts, nothing of the services.

`assumptions` - the one table of what is invented; `trace` - the real usage; `offerings`, `levy`, `orders`,
`usage` - what the members say; `script` - all of it in its order; `register` - members and keys;
`play` - the script on a market; `picture` - what the market knows afterwards; `sections` with
`trading` and `settling`, `page`, `voice` - the output. "Demonstration" stands on every page of it.
"""
