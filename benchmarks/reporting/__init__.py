"""Results, their tables and pictures, and the page that they are written into."""
