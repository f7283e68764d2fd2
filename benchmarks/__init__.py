"""How fast the library is, side by side with a peer: ``make bench`` writes ``results.json``.

``cases``       what is timed: the same work, done by the library and by the peer.
``peer``        the peer, pytorch-generative, where it is installed.
``plain``       a model in plain PyTorch, where the other is no package.
``timing``      the timing; what fails is noted with its reason.
``memory``      time and memory of a gradient of a whole image.
``properties``  what is not speed: pixels that a network cannot see, the scale of activations.
``record``      runs all of it and writes ``results.json``.
``figure``      draws the growth of the costs from the records.
``apart``       what comparisons with a peer of their own share:
``flows``       normalising flows beside normflows, into ``flows.json``;
``latent``      a VAE beside plain PyTorch and diffusion beside a peer, into ``latent.json``;
``quality``     training of both networks of that diffusion, and the judgement of their samples;
``diffusion_peer``  the peer of the diffusion, where it is installed.
``adversarial``  games of two networks beside a peer's scripts, into ``adversarial.json``;
``gan_peer``    those scripts, step by step.
``sequences``   a cache and rings beside whole passes of the same networks, into ``sequences.json``;
``builds``      another comparison: the library with an earlier build of itself.
"""
