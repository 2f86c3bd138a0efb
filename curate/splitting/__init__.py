"""What a split must keep together, put in order, and leave out, so that nothing of what is held out was learned."""
