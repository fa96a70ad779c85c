"""Files of what was issued: made in processes of their own, kept, listed, read."""
