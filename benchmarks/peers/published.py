"""What others published of themselves: not measured here, and named with where it is from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row; GMAC of one picture or of so much sound."""

    name: str
    parameters: str
    gmac: str
    quality: str
    source: str


PUBLISHED = (
    Published(
        "S2IGAN generator (speech to image), 64 / 128 / 256 px",
        "28.3 M",
        "2.43 / 5.47 / 9.12",
        "CUB FID 14.50, Flickr8k FID 93.29",
        "Wang et al. 2020, arXiv 2005.06968; parameters and GMAC counted on its code",
    ),
    Published(
        "Fusion-S2iGan (speech to image)",
        "not published",
        "not published",
        "CUB FID 13.09, Flickr8k FID 70.80",
        "arXiv 2305.10126",
    ),
    Published(
        "Speak the Art, VQ-diffusion (speech to image)",
        "not published",
        "not published",
        "CUB FID 9.76, Flickr8k FID 31.15, R@50 43.46",
        "arXiv 2601.00827",
    ),
    Published(
        "DF-GAN generator (text to image), 64 / 128 / 256 px",
        "4.9 / 7.3 / 9.7 M",
        "0.45 / 1.86 / 7.49",
        "",
        "Tao et al. 2022, arXiv 2008.05865; counted on its code",
    ),
    Published(
        "MobileStyleGAN generator, 64 / 128 / 256 px",
        "6.5 / 7.7 / 8.4 M",
        "0.50 / 1.89 / 3.62",
        "",
        "Belousov 2021, arXiv 2104.04767; counted on its code",
    ),
    Published(
        "Whisper-tiny (speech to text, encoder and decoder)",
        "39 M",
        "",
        "",
        "Radford et al. 2022, arXiv 2212.04356, table 1",
    ),
    Published(
        "BC-ResNet-1 / -3 / -8 (keywords), of 1 s",
        "9 k / 54 k / 321 k",
        "0.0025 / 0.0145 / 0.086",
        "98.7% on Speech Commands v2 (-8)",
        "Kim et al. 2021, arXiv 2106.04140",
    ),
)
