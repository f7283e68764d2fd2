r"""Many GANs at once: the same networks from different seeds, each training step one step of all.

What a single run of a GAN shows is luck. Ten small networks leave a processor nearly as idle as one
does, because most of the time goes into calling operations and not into their arithmetic. So their
weights are stacked, and `torch.func` turns the products of a network into those of all
(`torch.func.stack_module_state`, `torch.vmap`). The players of different seeds never meet: the
gradient of the sum of all losses is the gradient of each, and Adam moves each number by itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from gdmlib._checks import check_count, check_events, check_tensor
from gdmlib._random import standard_normal
from gdmlib.adversarial.gan import GAN
from gdmlib.adversarial.losses import LOSSES, gradient_penalty, r1_penalty
from gdmlib.adversarial.play import adversaries
from gdmlib.training import Turns

_GATES = (nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.ELU, nn.Softplus)


class Stacked(nn.Module):
    """Networks of one architecture as one: shape (S, B, ...) in, and (S, B, ...) out.

    Args:
        networks: S of them, without buffers: statistics of a batch cannot be kept in a stack.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        first, *others = networks
        for network in networks:
            buffers = [name for name, _ in network.named_buffers()]
            if buffers:
                raise ValueError(
                    f"networks: {buffers[0]!r} is a buffer, which a stack does not train; take "
                    "layers without, such as a group norm"
                )
            tied = len([*network.named_parameters(remove_duplicate=False)])
            if tied != len([*network.parameters()]):
                raise ValueError(
                    "networks: expected layers with numbers of their own, got tied ones"
                )
        shapes = [{k: v.shape for k, v in network.state_dict().items()} for network in networks]
        if any(found != shapes[0] for found in shapes):
            raise ValueError("networks: expected one architecture, got different ones")
        self.size = len(networks)
        # Kept out of the registry: it lends its forward pass, and its own weights do not train.
        self._plan = (copy.deepcopy(first).to("meta"),)
        stacked, _ = torch.func.stack_module_state([first, *others])
        self._keys = {name.replace(".", "/"): name for name in stacked}
        for key, name in self._keys.items():  # a parameter's name may hold no dot
            stack = stacked[name].detach().clone()
            if stack.ndim == 3:  # of dense layers, laid out as their gradients come: not copied
                stack = stack.mT.contiguous().mT
            self.register_parameter(key, nn.Parameter(stack))

    def forward(self, x: Tensor) -> Tensor:
        """Return what each network makes of its own part of x, layer by layer."""
        like = next(self.parameters())
        x = check_tensor(x, "x", floating=True, finite=False, like=like)  # `fit` says when that was
        if x.ndim < 2 or len(x) != self.size:
            raise ValueError(
                f"x: expected {self.size} parts, one a network, shape ({self.size}, B, ...), got "
                f"{tuple(x.shape)}"
            )
        plan = self._plan[0]
        if type(plan) is not nn.Sequential:
            return self._part(plan, "", x).to(x.dtype)
        dtype = x.dtype
        for name, part in plan._modules.items():  # a gate that stands twice is twice there
            assert part is not None
            x = self._part(part, f"{name}/", x)
        return x.to(dtype)  # in mixed precision the layers round, and not what is made of them

    def _part(self, part: nn.Module, prefix: str, x: Tensor) -> Tensor:
        if type(part) is nn.Linear and part.bias is not None and x.ndim == 3:
            # What `torch.vmap` makes of a dense layer costs three times as much.
            weight, bias = (self._parameters[prefix + name] for name in ("weight", "bias"))
            assert weight is not None
            assert bias is not None
            return torch.baddbmm(bias[:, None], x, weight.mT)
        if isinstance(part, _GATES):
            return part(x)
        names = {k: k[len(prefix) :].replace("/", ".") for k in self._keys if k.startswith(prefix)}

        def one(state: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(part, state, (x,))

        state: dict[str, Tensor] = {name: self.get_parameter(k) for k, name in names.items()}
        return torch.vmap(one, randomness="different")(state, x)

    @torch.no_grad()
    def write(self, networks: Sequence[nn.Module]) -> None:
        """Write the weights back into networks of their own."""
        for i, network in enumerate(networks):
            own = dict(network.named_parameters())
            for key, name in self._keys.items():
                own[name].copy_(self.get_parameter(key)[i])


class Ensemble(nn.Module):
    """S GANs that train at once, ``fit(ensemble.turns(noise=g), x, epochs=..., batch_size=...)``.

    A batch is shared out among them, so that its size is a multiple of S: each GAN sees events of
    its own.

    Args:
        members: GANs of one kind and architecture that differ in their weights; the method
            `members` gives them back with what has been learnt.
    """

    def __init__(self, members: Sequence[GAN]) -> None:
        super().__init__()
        if not members:
            raise ValueError("members: expected at least one GAN, got none")
        first = members[0]
        if first.classes is not None:
            raise ValueError("members: expected GANs without classes")
        kind = (first.latent, first.adversarial, first.penalty, first.penalty_weight)
        for gan in members:
            if (gan.latent, gan.adversarial, gan.penalty, gan.penalty_weight) != kind:
                raise ValueError("members: expected one latent, loss and penalty for all")
        self.size, self.latent, self.event_shape = len(members), first.latent, first.event_shape
        self._members = (tuple(members),)
        self.generator = Stacked([gan.generator for gan in members])
        self.discriminator = Stacked([gan.discriminator for gan in members])

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw n events of each GAN, shape (S, n, *event_shape)."""
        like = next(self.generator.parameters())
        return self.generator(self._latents(check_count(n), like, generator))

    def members(self, average: nn.Module | None = None) -> tuple[GAN, ...]:
        """Return the GANs, each with its weights as they are now.

        Args:
            average: The generators' moving average, ``averaged(turns)``, to be taken in place of
                the weights themselves.
        """
        members = self._members[0]
        source = self.generator if average is None else average
        assert isinstance(source, Stacked)
        source.write([gan.generator for gan in members])
        self.discriminator.write([gan.discriminator for gan in members])
        return members

    def discriminator_loss(self, batch: Tensor, noise: Generator | None = None) -> Tensor:
        """Return the sum of what the discriminators pay for their parts of a batch, ()."""
        gan, real = self._members[0][0], self._share(batch)
        with torch.no_grad():
            fake = self.generator(self._latents(real.shape[1], real, noise))
        # One pass for both: `Stacked` has no layer whose events look at each other.
        logits = self.discriminator(torch.cat([real, fake], dim=1))
        paid = self._sum(gan.adversarial.discriminator, *logits.chunk(2, dim=1))
        if gan.penalty is None:
            return paid

        def critic(x: Tensor) -> Tensor:
            return self.discriminator(x.unflatten(0, (self.size, -1)))

        flat = real.flatten(0, 1)
        if gan.penalty == "r1":  # the mean over all events is 1/S of the sum of means
            return paid + self.size * r1_penalty(critic, flat, gan.penalty_weight)
        made = fake.flatten(0, 1)
        slope = gradient_penalty(critic, flat, made, gan.penalty_weight, noise)
        return paid + self.size * slope

    def generator_loss(self, batch: Tensor, noise: Generator | None = None) -> Tensor:
        """Return the sum of what the generators pay, ()."""
        loss, real = self._members[0][0].adversarial, self._share(batch)
        fake = self.generator(self._latents(real.shape[1], real, noise))
        if not loss.needs_real:
            return self._sum(loss.generator, self.discriminator(fake))
        logits, made = self.discriminator(torch.cat([real, fake], dim=1)).chunk(2, dim=1)
        return self._sum(loss.generator, made, logits)

    def _sum(self, pay: Callable[..., Tensor], *logits: Tensor) -> Tensor:
        """Return the sum of what all pay for their logits, (S, B, ...) each."""
        loss = self._members[0][0].adversarial
        if loss.needs_real or LOSSES.get(loss.name) is not loss:
            return torch.vmap(pay)(*logits).sum()
        return self.size * pay(*logits)  # a mean of all is 1/S of the sum of means

    def turns(self, *, noise: Generator | None = None, **options: Any) -> Turns:
        """Return the step of all games, with the options of `adversaries`."""
        return adversaries(
            self.generator,
            self.discriminator,
            generator_loss=lambda batch: self.generator_loss(batch, noise),
            discriminator_loss=lambda batch: self.discriminator_loss(batch, noise),
            noise=noise,
            about=self._members[0][0].about,
            **options,
        )

    def _latents(self, n: int, like: Tensor, noise: Generator | None) -> Tensor:
        return standard_normal((self.size, n, self.latent), like, noise)

    def _share(self, batch: Tensor) -> Tensor:
        like = next(self.generator.parameters())
        x = check_events(batch, "batch", self.event_shape, like)
        if len(x) % self.size:
            raise ValueError(
                f"batch: expected a multiple of {self.size} events, as many for each GAN, got "
                f"{len(x)}; choose batch_size, and the number of examples, so that it divides"
            )
        return x.unflatten(0, (self.size, -1))
