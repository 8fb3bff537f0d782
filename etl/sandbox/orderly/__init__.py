"""The simulated Orderly: `protocol` is what its page says, `access` who may talk."""
