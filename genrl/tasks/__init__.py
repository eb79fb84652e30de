"""What each command does once its config is composed."""
