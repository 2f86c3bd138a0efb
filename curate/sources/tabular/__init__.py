"""What the table source is made of: which column is what, the formats of tables, their values and threads."""
