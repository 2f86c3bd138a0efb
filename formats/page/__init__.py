"""One self-contained HTML page that shows samples: to look at, to search, to filter, token by token."""
