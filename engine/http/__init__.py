"""What listens: the public webhooks, who may call them, and what becomes of a call."""
