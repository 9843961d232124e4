"""Results as pictures, figures and pages."""
