"""Takes adapters elsewhere: folders and files for other programs, the stop with them."""
