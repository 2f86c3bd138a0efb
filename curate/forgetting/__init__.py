"""What `curate.forget` is made of: finding what is to go, planning it, and removing it everywhere."""
