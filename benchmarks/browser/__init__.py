"""What the page holds and costs in a browser while a large plant runs."""
