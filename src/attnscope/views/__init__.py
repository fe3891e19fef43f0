"""Views: a Trace and options become a spec. One file a view; none knows where it is shown."""
