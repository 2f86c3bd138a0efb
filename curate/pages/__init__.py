"""Pages of HTML that need nothing beside them: the report of a run, and of judged posts."""
