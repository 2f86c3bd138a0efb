"""Models that say something of a text: how toxic it is, in which language it is written."""
