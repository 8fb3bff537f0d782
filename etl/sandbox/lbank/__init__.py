"""The simulated LBank: `protocol` is what its page says, `access` who may talk."""
