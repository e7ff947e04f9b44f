"""Scripts for those who work on the project: generators of files, and of the pictures in the documentation."""
