"""Models of pixels: PixelCNN, gated PixelCNN and row LSTM, and what they share.

Read `model` first (the chain rule over pixels, whatever the network is), then `heads` (what a
network says about a pixel) and `stack` (how a network is put together), then a network.
"""
