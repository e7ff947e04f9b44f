"""Tests of the calls of other simulators."""
