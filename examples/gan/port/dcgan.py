"""A DCGAN on synthetic blobs.

    python dcgan.py
"""

import argparse
import os

import torch
import torch.nn as nn
from torch.autograd import Variable
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--n_epochs", type=int, default=3, help="number of epochs of training")
parser.add_argument("--n_batches", type=int, default=None, help="stop after this many batches")
parser.add_argument("--batch_size", type=int, default=64, help="size of the batches")
parser.add_argument("--lr", type=float, default=2e-4, help="adam: learning rate")
parser.add_argument("--b1", type=float, default=0.5, help="adam: decay of the first moment")
parser.add_argument("--b2", type=float, default=0.999, help="adam: decay of the second moment")
parser.add_argument("--latent_dim", type=int, default=32, help="dimensionality of the latent space")
parser.add_argument("--img_size", type=int, default=16, help="size of each image dimension")
parser.add_argument("--n_images", type=int, default=2048, help="size of the data set")
parser.add_argument("--sample_interval", type=int, default=10, help="batches between two lines of the log")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--out", default="generator.pt")
opt = parser.parse_args()

cuda = True if torch.neuron.is_available() else False
device = torch.device("neuron" if cuda else "cpu")
Tensor = torch.FloatTensor

torch.manual_seed(opt.seed)
if cuda:
    torch.neuron.manual_seed(opt.seed)
    torch.backends.cudnn.benchmark = True


def make_blobs(n, size):
    """Gaussian blobs at random places, one channel in [-1, 1]."""
    axis = torch.arange(size).float()
    centre = size * (0.25 + 0.5 * torch.rand(n, 2, 1))
    width = 1.0 + size / 8 * torch.rand(n, 1)
    y = torch.exp(-(((axis - centre[:, 0]) / width) ** 2))
    x = torch.exp(-(((axis - centre[:, 1]) / width) ** 2))
    return 2 * (y[:, None, :, None] * x[:, None, None, :]) - 1


def weights_init_normal(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        torch.nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm2d") != -1:
        torch.nn.init.normal_(m.weight.data, 1.0, 0.02)
        torch.nn.init.constant_(m.bias.data, 0.0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.init_size = opt.img_size // 4
        self.l1 = nn.Linear(opt.latent_dim, 64 * self.init_size**2)
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(64),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.2, inplace=True),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, 1, 3, stride=1, padding=1),
            nn.Tanh(),
        )

    def forward(self, z):
        out = self.l1(z)
        out = out.view(out.shape[0], 64, self.init_size, self.init_size)
        return self.conv_blocks(out)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()

        def block(in_filters, out_filters, bn=True):
            layers = [nn.Conv2d(in_filters, out_filters, 3, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
            if bn:
                layers.append(nn.BatchNorm2d(out_filters))
            return layers

        self.model = nn.Sequential(*block(1, 16, bn=False), *block(16, 32), *block(32, 64))
        ds_size = opt.img_size // 8
        self.adv_layer = nn.Linear(64 * ds_size**2, 1)

    def forward(self, img):
        out = self.model(img)
        return self.adv_layer(out.view(out.shape[0], -1))


adversarial_loss = torch.nn.BCEWithLogitsLoss()
generator = Generator()
discriminator = Discriminator()
generator.apply(weights_init_normal)
discriminator.apply(weights_init_normal)

if cuda:
    generator.to("neuron")
    discriminator.to("neuron")
    adversarial_loss.to("neuron")

dataloader = DataLoader(
    TensorDataset(make_blobs(opt.n_images, opt.img_size)), batch_size=opt.batch_size, shuffle=True, drop_last=True
)
optimizer_G = torch.optim.Adam(generator.parameters(), lr=opt.lr, betas=(opt.b1, opt.b2))
optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=opt.lr, betas=(opt.b1, opt.b2))


def train():
    batches_done = 0
    for epoch in range(opt.n_epochs):
        for (imgs,) in dataloader:
            # Adversarial ground truths
            valid = Variable(Tensor(imgs.size(0), 1).to(device).fill_(1.0), requires_grad=False)
            fake = Variable(Tensor(imgs.size(0), 1).to(device).fill_(0.0), requires_grad=False)
            real_imgs = Variable(imgs.to(device, torch.float32))

            # Train the generator
            optimizer_G.zero_grad()
            z = Variable(torch.randn(imgs.shape[0], opt.latent_dim).to(device, torch.float32))
            gen_imgs = generator(z)
            g_loss = adversarial_loss(discriminator(gen_imgs), valid)
            g_loss.backward()
            optimizer_G.step()

            # Train the discriminator
            optimizer_D.zero_grad()
            real_loss = adversarial_loss(discriminator(real_imgs), valid)
            fake_loss = adversarial_loss(discriminator(gen_imgs.detach()), fake)
            d_loss = (real_loss + fake_loss) / 2
            d_loss.backward()
            optimizer_D.step()

            batches_done += 1
            if batches_done % opt.sample_interval == 0 or batches_done == opt.n_batches:
                print("step %d loss %.7f g_loss %.7f" % (batches_done, d_loss.item(), g_loss.item()))
            if batches_done == opt.n_batches:
                return


if __name__ == "__main__":
    train()
    os.makedirs(os.path.dirname(os.path.abspath(opt.out)), exist_ok=True)
    torch.save(generator.state_dict(), opt.out)
