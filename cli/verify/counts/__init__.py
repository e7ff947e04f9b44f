"""What a consumer counts in messages: time by state, jobs by result, and how far both may be off."""
