"""Messages about machines that are not their own: OEE reports, and the labels of faults."""
