"""The command `scenario`: its files, its judges, its runs and its reports."""
