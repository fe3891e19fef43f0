"""Where a view is shown: notebook widget, one offline HTML file. A host knows no model."""
