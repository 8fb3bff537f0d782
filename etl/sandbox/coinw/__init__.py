"""The simulated CoinW: `protocol` is what its page says, `access` who may talk."""
