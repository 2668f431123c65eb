"""The parts of the ``sql`` connector; nothing else imports them."""
