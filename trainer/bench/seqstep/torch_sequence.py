"""The PyTorch side of the speed comparison of sequence training: the network of package sequence, asked for one turn at a time.

Reads one JSON object per line, {"world": FOLDER, "losses": N, "seconds": S}. With N > 0 it answers {"params": P, "losses": [...]}, the
losses of N steps on the world's one batch, from the start; else {"params": P, "ms": [...]}: milliseconds a step of passes over the data,
at least one, and no new one after S seconds. A world runs one pass untimed before its first timed one. With "epochs": E > 0 it trains E
passes on from where the last such question ended and answers {"params": P, "trained": SECONDS, "loss": L, "hr10": H}.
"""

import argparse
import json
import math
import os
import struct
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError as fault:
    print(json.dumps({"error": f"this Python has no torch: {fault}"}), flush=True)
    sys.exit()

MAGIC = b"SRSEQ1\n\x00"


def read_weights(path):
    """The file of sequence.Weights: magic, length of the header, header as JSON, tensors as raw little-endian float32."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(MAGIC):
        raise ValueError(f"{path} holds no weights")
    (size,) = struct.unpack_from("<I", data, len(MAGIC))
    at = len(MAGIC) + 4
    header = json.loads(data[at:at + size])
    at += size
    tensors = {}
    for t in header["tensors"]:
        n = math.prod(t["shape"])
        tensors[t["name"]] = torch.frombuffer(bytearray(data[at:at + 4 * n]), dtype=torch.float32).reshape(t["shape"]).clone()
        at += 4 * n
    return header["config"], tensors


class Network(torch.nn.Module):
    """Causal self-attention over item ids, normalised before each part by root mean square, the item table tied to the output.
    The tensors are those of sequence.Weights in their order, the item table first."""

    def __init__(self, config, tensors):
        super().__init__()
        self.dim, self.layers, self.heads, self.share = config["dim"], config["layers"], config["heads"], config["dropout"]
        self.tensors = torch.nn.ParameterList(tensors.values())
        self.names = list(tensors)

    def weights(self):
        return dict(zip(self.names, self.tensors))

    def drop(self, x):
        return F.dropout(x, self.share) if self.share else x

    def normalise(self, x):
        return F.rms_norm(x, (self.dim,), eps=1e-6)

    def split(self, x):
        rows, slots, _ = x.shape
        return x.view(rows, slots, self.heads, self.dim // self.heads).transpose(1, 2)

    def forward(self, ids, mask=None):
        """Without a mask rows are full; with one, rows x 1 x slots x slots, a slot looks where it is True."""
        w = self.weights()
        x = self.drop(F.embedding(ids, w["items"]) * math.sqrt(self.dim) + w["positions"])
        for layer in range(self.layers):
            p = f"block{layer}."
            h = self.normalise(x)
            a = F.scaled_dot_product_attention(self.split(h @ w[p + "q"]), self.split(h @ w[p + "k"]), self.split(h @ w[p + "v"]), attn_mask=mask, is_causal=mask is None)
            x = x + self.drop(a.transpose(1, 2).reshape(x.shape) @ w[p + "o"])
            x = x + self.drop(torch.relu(self.normalise(x) @ w[p + "ff1"] + w[p + "ff1_bias"]) @ w[p + "ff2"])
        return self.normalise(x) * w["norm"]


class Sampler:
    """Items of a sampled softmax: systematic sampling with chances min(1, c*p), p half popularity^0.75 and half uniform."""

    def __init__(self, targets, items, negatives, smoothing):
        counts = torch.bincount(targets.flatten(), minlength=items + 1)[1:].double()
        popular = counts ** 0.75
        p = smoothing / items + (1 - smoothing) * popular / popular.sum()
        self.chance, self.negatives = torch.zeros_like(p), negatives
        while True:
            sure = self.chance >= 1
            scaled = p * (negatives - sure.sum()) / p[~sure].sum()
            more = ~sure & (scaled >= 1)
            self.chance = torch.where(sure | more, torch.ones_like(p), scaled)
            if not more.any():
                break
        self.inverse = (1 / self.chance).float()
        self.own = torch.ones(items + 1)

    def draw(self):
        """Drawn items from 1, one over their chances, and by item what corrects a target's own term."""
        order = torch.randperm(len(self.chance))
        points = torch.rand((), dtype=torch.float64) + torch.arange(self.negatives)
        at = torch.searchsorted(torch.cumsum(self.chance[order], 0), points, right=True).clamp_(max=len(order) - 1)
        drawn = order[at]
        inverse = self.inverse[drawn]
        own = self.own.clone()
        own[drawn + 1] = 1 - inverse
        return drawn + 1, inverse, own


class World:
    """One network with its data and its optimiser."""

    def __init__(self, folder):
        with open(os.path.join(folder, "world.json"), encoding="utf-8") as file:
            page = json.load(file)
        config, tensors = read_weights(os.path.join(folder, "weights.bin"))
        torch.manual_seed(1)
        self.slots = config["max_len"]
        self.items, self.targets = self.pad(page["items"]), self.pad(page["targets"])
        self.histories, self.answers = page.get("histories", []), page.get("answers", [])
        self.full = bool((self.items != 0).all())
        self.batch, self.network = page["batch"], Network(config, tensors)
        self.params = sum(p.numel() for p in self.network.parameters())
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=page["learning_rate"], fused=True)
        catalogue = len(tensors["items"]) - 1
        self.keep, self.steps = page["average"], 0
        self.average = [p.detach().clone() for p in self.network.parameters()] if self.keep else None
        full = catalogue <= page["full_softmax"] or catalogue <= page["negatives"]
        self.sampler = None if full else Sampler(self.targets[self.targets != 0], catalogue, page["negatives"], page["smoothing"])

    def pad(self, rows):
        """Rows with zeros before them: the newest item takes the last position."""
        return torch.tensor([[0] * (self.slots - len(row)) + row for row in rows])

    def mask(self, ids):
        """Where a slot may look: back, at items; an empty slot at itself, so that its softmax stays finite."""
        if self.full:
            return None
        back = torch.ones(self.slots, self.slots, dtype=torch.bool).tril()
        return ((ids != 0)[:, None, :] & back | torch.eye(self.slots, dtype=torch.bool))[:, None]

    def loss(self, ids, targets):
        h, table = self.network(ids, self.mask(ids)).flatten(0, 1), self.network.tensors[0]
        targets = targets.flatten()
        if not self.full:
            h, targets = h[targets != 0], targets[targets != 0]
        if self.sampler is None:
            return F.cross_entropy(h @ table[1:].T, targets - 1)
        drawn, inverse, own = self.sampler.draw()
        logits = h @ F.embedding(drawn, table).T
        top = logits.detach().amax(1)
        term = ((h * F.embedding(targets, table)).sum(1) - top).clamp(max=80)
        e = term.exp()
        total = (logits - top[:, None]).exp() @ inverse + e * own[targets]
        return (torch.maximum(total, e).log() - term).mean()

    def run(self):
        """One pass over the data: the losses of its steps."""
        losses = []
        for part in torch.randperm(len(self.items)).split(self.batch):
            self.optimiser.zero_grad()
            loss = self.loss(self.items[part], self.targets[part])
            loss.backward()
            self.optimiser.step()
            self.smooth()
            losses.append(loss.item())
        return losses


    def smooth(self):
        """The average over the steps that softrec keeps too; the first steps count more."""
        if self.average is None:
            return
        self.steps += 1
        keep = min(self.keep, self.steps / (self.steps + 9))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.network.parameters()), 1 - keep)

    def quality(self):
        """HR@10 of the averaged weights over all items that a history does not hold, ties at mid-rank."""
        live = [p.detach().clone() for p in self.network.parameters()]
        with torch.no_grad():
            for p, a in zip(self.network.parameters(), self.average or live):
                p.copy_(a)
            share, self.network.share = self.network.share, 0
            full, self.full = self.full, False
            hits = 0.0
            for at in range(0, len(self.answers), 64):
                histories, answers = self.histories[at:at + 64], torch.tensor(self.answers[at:at + 64])
                ids = self.pad([h[-self.slots:] for h in histories])
                scores = self.network(ids, self.mask(ids))[:, -1] @ self.network.tensors[0].T
                scores[:, 0] = -math.inf
                for row, history in zip(scores, histories):
                    row[torch.tensor(history)] = -math.inf
                own = scores.gather(1, answers[:, None])
                rank = (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
                hits += float((rank <= 9).sum())
            self.network.share, self.full = share, full
            for p, v in zip(self.network.parameters(), live):
                p.copy_(v)
        return hits / len(self.answers)


class Bench:
    """The worlds below a folder."""

    def __init__(self, folder):
        self.folder, self.warm = folder, {}

    def answer(self, ask):
        path = os.path.join(self.folder, ask["world"])
        if ask.get("losses", 0) > 0:
            world = World(path)
            return {"params": world.params, "losses": [world.run()[0] for _ in range(ask["losses"])]}
        if ask.get("epochs", 0) > 0:
            world = self.warm.get(ask["world"]) or World(path)
            self.warm[ask["world"]], began, losses = world, time.perf_counter(), []
            for _ in range(ask["epochs"]):
                losses = world.run()
            trained = time.perf_counter() - began
            return {"params": world.params, "trained": trained, "loss": sum(losses) / len(losses), "hr10": world.quality()}
        if ask["world"] not in self.warm:
            self.warm[ask["world"]] = World(path)
            self.warm[ask["world"]].run()
        world, times, start = self.warm[ask["world"]], [], time.perf_counter()
        while not times or time.perf_counter() - start < ask["seconds"]:
            began = time.perf_counter()
            steps = len(world.run())
            times.append(1000 * (time.perf_counter() - began) / steps)
        return {"params": world.params, "ms": times}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="folder of the worlds")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    bench = Bench(args.folder)
    print(json.dumps({"ready": f"torch {torch.__version__.split('+')[0]}, {args.threads} threads"}), flush=True)
    for line in sys.stdin:
        try:
            answer = bench.answer(json.loads(line))
        except Exception as fault:  # told to the driver, which decides
            answer = {"error": f"{type(fault).__name__}: {fault}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
