"""What one can do with the simulator, `app.py X`: the commands and their options."""
