"""Tests of settings from the files and variables of another simulator."""
