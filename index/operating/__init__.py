"""What searches cost, and the settings that were measured to reach a recall."""
