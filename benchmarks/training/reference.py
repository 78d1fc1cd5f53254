"""The same two stages as a plain eager loop: what the library's training speed is compared with.

Written from the formulas of the papers the way they are usually written down: float32, attention as
two matrix products, every one of the 750 tokens decoded, both body slots of a clip always run (an
absent one as zeros), clips cropped and resized one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, HEADS, FRAMES, JOINTS, SEGMENT = 256, 8, 120, 25, 4
TOKENS = FRAMES // SEGMENT * JOINTS


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, D) to (N, L, D)."""
        n, length, _ = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attention = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(n, length, WIDTH))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    """Token embedding, positions, blocks, norm."""

    def __init__(self, depth: int = 8, frames: int = FRAMES) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, WIDTH, (SEGMENT, 1), stride=(SEGMENT, 1))
        self.time = nn.Parameter(torch.zeros(1, frames // SEGMENT, 1, WIDTH))
        self.joint = nn.Parameter(torch.zeros(1, 1, JOINTS, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.norm = nn.LayerNorm(WIDTH)

    def tokens(self, bodies: Tensor) -> Tensor:
        """(N, T, V, 3) to (N, Te*V, D)."""
        embedded = self.embed(bodies.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return (embedded + self.time + self.joint).flatten(1, 2)

    def encode(self, tokens: Tensor) -> Tensor:
        """Blocks and norm."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


def segments(x: Tensor) -> Tensor:
    """(N, T, V, C) to (N, Te*V, l*C)."""
    n, frames, joints, coordinates = x.shape
    cut = x.view(n, frames // SEGMENT, SEGMENT, joints, coordinates)
    return torch.einsum("nslvc->nsvlc", cut).reshape(n, -1, SEGMENT * coordinates)


class Pretraining(nn.Module):
    """MAMP: motion-aware masking, all tokens decoded, loss on the hidden ones."""

    def __init__(self, decoder_depth: int = 5) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder_embed = nn.Linear(WIDTH, WIDTH)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.time = nn.Parameter(torch.zeros(1, FRAMES // SEGMENT, 1, WIDTH))
        self.joint = nn.Parameter(torch.zeros(1, 1, JOINTS, WIDTH))
        self.decoder = nn.ModuleList(Block() for _ in range(decoder_depth))
        self.decoder_norm = nn.LayerNorm(WIDTH)
        self.predict = nn.Linear(WIDTH, SEGMENT * 3)

    def forward(self, bodies: Tensor, noise: Tensor) -> Tensor:
        """Loss of bodies (N, T, V, 3) with noise (N, Te*V)."""
        n = len(bodies)
        cut = segments(bodies).view(n, FRAMES // SEGMENT, JOINTS, -1)
        motion = (cut[:, 1:] - cut[:, :-1]).abs().mean(dim=3)
        motion = torch.cat((motion[:, :1], motion), dim=1).flatten(1)
        motion = motion / (motion.max(dim=1, keepdim=True).values * 0.80 + 1e-10)
        gumbel = -torch.log(-torch.log(noise + 1e-10) + 1e-10)
        score = torch.log(motion.softmax(dim=1)) + gumbel
        order = score.argsort(dim=1)
        back = order.argsort(dim=1)
        seen = int(TOKENS * (1 - 0.9))
        pick = order[:, :seen, None].expand(-1, -1, WIDTH)
        visible = self.encoder.encode(self.encoder.tokens(bodies).gather(1, pick))
        hidden = self.mask_token.expand(n, TOKENS - seen, -1)
        full = torch.cat((self.decoder_embed(visible), hidden), dim=1)
        x = full.gather(1, back[:, :, None].expand(-1, -1, WIDTH))
        x = x + (self.time + self.joint).flatten(1, 2)
        for block in self.decoder:
            x = block(x)
        prediction = self.predict(self.decoder_norm(x))
        change = torch.zeros_like(bodies)
        change[:, :-1] = bodies[:, 1:] - bodies[:, :-1]
        target = segments(change)
        target = (target - target.mean(2, keepdim=True)) / (
            target.var(2, keepdim=True) + 1e-6
        ).sqrt()
        error = (prediction - target).square().mean(dim=2)
        mask = (back >= seen).float()
        return (error * mask).sum() / mask.sum()


class Tuning(nn.Module):
    """STARS: nearest-neighbor contrast, the first half of the encoder without gradient."""

    def __init__(self, queue: int = 8192, hidden: int = 4096) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.encoder.requires_grad_(False)
        for part in (*self.encoder.blocks[4:], self.encoder.norm):
            part.requires_grad_(True)
        self.projector = nn.BatchNorm1d(WIDTH)
        self.predictor = nn.Sequential(
            nn.Linear(WIDTH, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, WIDTH)
        )
        self.queue = F.normalize(torch.randn(queue, WIDTH), dim=1)

    def forward(self, bodies: Tensor) -> Tensor:
        """Loss of bodies (2 * B, T, V, 3), two slots a clip."""
        tokens = self.encoder.encode(self.encoder.tokens(bodies))
        y = tokens.mean(dim=1).view(-1, 2, WIDTH).mean(dim=1)
        g = self.projector(y)
        z, p = F.normalize(g, dim=1).detach(), F.normalize(self.predictor(g), dim=1)
        self.queue = self.queue.to(z.device)
        neighbors = self.queue[(z @ self.queue.T).argmax(dim=1)]
        loss = F.cross_entropy(neighbors @ p.T / 0.07, torch.arange(len(z), device=z.device))
        self.queue = torch.cat((z, self.queue))[: len(self.queue)]
        return loss


def crop_and_resize(clip: Tensor) -> Tensor:
    """A random crop of one clip (T', V, 3) of at least half of it, resized to 120 frames."""
    frames = len(clip)
    kept = max(int(frames * (0.5 + 0.5 * torch.rand(()).item())), min(64, frames))
    start = int(torch.randint(frames - kept + 1, ()).item())
    flat = clip[start : start + kept].flatten(1).T[None]
    resized = F.interpolate(flat, size=FRAMES, mode="linear", align_corners=False)
    return resized[0].T.view(FRAMES, JOINTS, 3)


def rotate(bodies: Tensor) -> Tensor:
    """Turn one clip's bodies (M, T, V, 3) by a random angle of up to 0.3 rad about each axis."""
    x, y, z = ((torch.rand(3) * 2 - 1) * 0.3).tolist()
    cos, sin = torch.cos(torch.tensor([x, y, z])), torch.sin(torch.tensor([x, y, z]))
    about_x = torch.tensor([[1, 0, 0], [0, cos[0], -sin[0]], [0, sin[0], cos[0]]])
    about_y = torch.tensor([[cos[1], 0, sin[1]], [0, 1, 0], [-sin[1], 0, cos[1]]])
    about_z = torch.tensor([[cos[2], -sin[2], 0], [sin[2], cos[2], 0], [0, 0, 1]])
    return bodies @ (about_z @ about_y @ about_x).T
