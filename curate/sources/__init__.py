"""Where posts come from: a file each."""
