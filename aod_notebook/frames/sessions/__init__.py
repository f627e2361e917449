"""The frames of sessions as their service reports them."""
