"""What goes into the guest: the agent, its wire format, and the first `init`."""
