"""Scraping, alerts and dashboards over the Prometheus metrics."""
