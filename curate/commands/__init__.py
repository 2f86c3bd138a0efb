"""The commands of the command line, a file a command group: options and printing, no logic."""
