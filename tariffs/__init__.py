"""The pricing core: pure rules that interpret tariffs and allocation keys. Imports the contracts only.

`terms` - which version and price hold; `order` - what may be booked; `recurrence` - what falls due;
`rating` - what it costs, line by line; `pricing` - what one quantity costs, by `quantity`, `price`,
`indexation` and `amount`; `allocation` - how a cost is shared to the cent; `rounding` - how amounts become
cents; `wording` - how numbers are written in a story.
"""
