"""The laws that every density obeys: ``laws.py`` states them, ``registry.py`` lists the models."""
