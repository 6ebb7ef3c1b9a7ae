"""Three well-known recurrent models, from generated data to a proven file on the device."""
