"""Rewards on another machine: protocol, client, server."""
