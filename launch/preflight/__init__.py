"""What of this machine and this configuration will not work, told before a run finds out."""
