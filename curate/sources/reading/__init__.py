"""What file sources read with: places, compressions, lines, rows of XML, HTML."""
