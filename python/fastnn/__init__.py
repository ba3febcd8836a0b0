"""fastnn: neural networks trained and run from NumPy, with explicit forward and backward passes."""
