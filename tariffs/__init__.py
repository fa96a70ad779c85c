"""The pricing core: pure rules that interpret tariffs and allocation keys. Imports the contracts only.

`terms` - which version and price hold; `order` - what may be booked; `rating` - what usage costs;
`allocation` - how a cost is shared to the cent; `rounding` - the two ways amounts become cents.
"""
