"""What the tests of the page share with the script that takes its pictures: Chromium, simulators, and what to watch."""
