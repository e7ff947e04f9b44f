"""Scripts for those who work on the project: what is generated from elsewhere, and the pictures of the documents."""
