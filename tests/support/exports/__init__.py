"""Independent checks of exports: schemas, parsers and servers of those who read them."""
