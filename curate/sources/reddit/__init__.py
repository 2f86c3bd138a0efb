"""What the source of Reddit's API is made of: the connection, its records, the walk through a thread."""
