"""Speed of training beside plain Keras, growth of its cost, and trainings that are killed and go on."""
