"""Networks in torch: what training fits and export writes out. The runtime never imports this package."""
