"""Tests of what enters the plant from outside."""
