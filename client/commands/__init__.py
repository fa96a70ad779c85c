"""What the commands of `allmende` do. What can be typed stands in `allmende.client.cli`."""
