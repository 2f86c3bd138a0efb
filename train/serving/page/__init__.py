"""The page at `/` on which one talks with the adapters: HTML, CSS and JavaScript, and nothing from elsewhere."""
