"""The simulated ZTDX: `protocol` is what its page says, `access` who may talk."""
