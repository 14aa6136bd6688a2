"""Two plausible markets, made up: a large-tick share and a small-tick share. Calibrated ones are files."""

from pathlib import Path

import msgspec

from market.flow.calibration import Calibration, Hawkes, Latent, Metaorders, Regime, Row, Value, load

SIZES = (
    *((1, 0.03), (10, 0.03), (25, 0.03), (50, 0.05), (100, 0.60), (200, 0.12), (300, 0.05)),
    *((400, 0.03), (500, 0.04), (1000, 0.02)),
)
QUEUE_EDGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
U_SHAPE = (1.9, 1.4, 1.15, 1.0, 0.9, 0.8, 0.75, 0.75, 0.8, 0.85, 0.95, 1.15, 1.6)
THREE_REGIMES = (
    Regime(),
    Regime(limits=0.75, markets=0.7, cancels=0.75, sigma=0.7),
    Regime(limits=1.3, markets=1.6, cancels=1.5, sigma=1.8),
)


CALIBRATIONS = Path(__file__).with_name("calibrations")


def chosen(text: str) -> Calibration:
    """Return the calibration of a name (made up or shipped) or of a file.

    Raises:
        ValueError: there is none, or it holds what cannot be.
    """
    made_up = {calibration.name: calibration for calibration in (large_tick(), small_tick())}
    if text in made_up:
        return made_up[text]
    files = sorted(CALIBRATIONS.glob("*.json"))
    shipped = {path.stem: path for path in files if "." not in path.stem}  # X.facts.json is no market
    path = shipped.get(text, Path(text))
    if not path.is_file():
        names = ", ".join([*made_up, *shipped])
        raise ValueError(f"{text}: neither a file nor one of {names}")
    return load(path)


# What makes impact concave, from small sizes to large: a trade is answered as an event whatever its size
# (HERDS: others trade after it and pull what it would have met); what steps in against a displaced mid
# grows faster than the distance (curve); and what lasts is mostly taken for value (belief), so that about
# half of the impact stays.
HERDS = Hawkes(
    branching=0.4,
    same=((4.0, 2.0, 1.0), (0.5, 6.0, 0.5), (1.0, 0.4, 4.0)),
    cross=((1.0, 1.0, 0.5), (0.2, 0.8, 0.2), (0.5, 2.4, 1.0)),
)
VALUE = Value(sigma_bps=0.25, informed=0.06, informed_limits=0.0, curve=0.7, belief=0.9, belief_life_s=300.0)
METAS = Metaorders(share=0.6, pov_min=0.02, pov_max=0.1)
LATENT = Latent(limits=0.06, cancels=0.06, curve=0.7)


def large_tick() -> Calibration:
    """Return a liquid share of 100 dollars whose spread is nearly always one tick."""
    behind = (1.2, 0.9, 0.7, 0.55, 0.45, 0.6, 0.6, 0.6, 0.5, 0.4)
    nothing, tight, wide = (0.0,) * 4, (0.0, 2.0), (3.0, 2.0)
    return Calibration(
        name="large-tick",
        price_e4=1_000_000,
        tick_e4=100,
        unit_e4=100,
        mean_size=150,
        spread_edges=(1, 2, 3, 5),
        behind_edges=(1, 2, 3, 4, 5, 6, 8, 11, 16, 24, 40),
        queue_edges=QUEUE_EDGES,
        limits=(
            (*nothing, *tight, *behind),
            (*nothing, *wide, *behind),
            (*(0.7,) * 4, *wide, *behind),
            (*(1.5,) * 4, *wide, *behind),
        ),
        limits_by_queue=(
            (1.4, 1.2, 1.1, 1.0, 0.9, 0.8, 0.6),
            (1.1, 1.1, 1.0, 1.0, 1.0, 0.9, 0.8),
            (1.0,) * 7,
        ),
        markets=((1.8, 1.4, 1.1, 0.9, 0.75, 0.6, 0.6), (0.6,) * 7, (0.4,) * 7, (0.2,) * 7),
        class_hazards=(1.5, 0.25, 0.03),
        class_shares=((0.5, 0.4, 0.1),) * 5 + ((0.4, 0.45, 0.15),) + ((0.3, 0.45, 0.25),) * 10,
        cancels_by_distance=(1.0, 1.0, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.5),
        cancels_by_queue=(0.6, 0.7, 0.85, 1.0, 1.1, 1.2, 1.3),
        limit_sizes=SIZES,
        market_sizes=SIZES,
        limits_per_s=8.5,
        markets_per_s=0.9,
        cancels_per_s=7.7,
        hawkes=HERDS,
        metaorders=METAS,
        value=VALUE,
        latent=LATENT,
        intraday=U_SHAPE,
        regimes=THREE_REGIMES,
    )


def small_tick() -> Calibration:
    """Return a share of 570 dollars, spread some 20 ticks, a sparse book with gaps."""
    behind = (0.08, 0.10, 0.16, 0.16, 0.20, 0.22, 0.24, 0.24, 0.22, 0.18, 0.12)
    limits: list[Row] = []
    for inside, best in ((0.02, 0.25), (0.05, 0.22), (0.09, 0.2), (0.15, 0.2), (0.25, 0.2), (0.5, 0.2)):
        limits.append((inside, inside / 2, inside / 3, inside / 4, 1.5 * inside, best, *behind))
    return Calibration(
        name="small-tick",
        price_e4=5_700_000,
        tick_e4=100,
        unit_e4=600,  # a basis point, as above: impact, not the spread, is what has to be resisted
        mean_size=60,
        spread_edges=(1, 8, 14, 20, 28, 40),
        behind_edges=(1, 2, 4, 8, 12, 18, 26, 38, 55, 80, 120, 200),
        queue_edges=QUEUE_EDGES,
        limits=tuple(limits),
        limits_by_queue=((1.0,) * 7,) * 3,
        markets=(
            *((0.5, 0.45, 0.4, 0.35, 0.3, 0.3, 0.3), (0.26, 0.23, 0.2, 0.18, 0.16, 0.16, 0.16)),
            *((0.18,) * 7, (0.12,) * 7, (0.08,) * 7, (0.05,) * 7),
        ),
        class_hazards=(1.5, 0.1, 0.01),
        class_shares=((0.5, 0.4, 0.1),) * 5 + ((0.4, 0.45, 0.15),) + ((0.3, 0.4, 0.3),) * 11,
        cancels_by_distance=(1.2, *(1.0,) * 6, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5),
        cancels_by_queue=(1.0,) * 7,
        limit_sizes=SIZES,
        market_sizes=SIZES,
        hidden=0.3,
        limits_per_s=2.6,
        markets_per_s=0.2,
        cancels_per_s=2.4,
        hawkes=msgspec.structs.replace(HERDS, branching=0.2),
        metaorders=METAS,
        value=msgspec.structs.replace(VALUE, belief=0.7),
        latent=LATENT,
        intraday=U_SHAPE,
        regimes=THREE_REGIMES,
    )
