"""What values are, before any record is read: types, and how expressions change them."""
