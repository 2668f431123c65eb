"""The parts of the ``file`` connector; nothing else imports them."""
