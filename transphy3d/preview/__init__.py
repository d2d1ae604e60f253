"""What people look at first: contact sheets, videos and a report of a data set."""
