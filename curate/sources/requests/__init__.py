"""What live sources can be asked for; light enough for the command line's help."""
