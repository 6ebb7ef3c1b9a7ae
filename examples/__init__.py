"""Three recurrent models that people know, from data made beside them to a proven file on the device."""
