"""`gleann select`: its commands and the work behind them."""
