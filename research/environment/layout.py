"""Where everything of an environment lies: rows of tables that kernels share, one row an environment.

The decision's own row (`desk`, chains and moves of one decision) is policies.layout's; the book is
market.book_layout's arena; market memory is policies.state_kernels'. Here are the parent as gate and
trader hold it, the gate's chains, what is on the road to the exchange, and what is on its way back.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from market.book_events import MARKET_EVENT
from market.book_layout import new_arena
from policies import state_kernels as k
from policies.layout import CHAIN_COLUMNS, DESK_SIZE, MOVE_COLUMNS, MOVES_BEYOND
from policies.state import LEVELS_SEEN
from policies.state_features import FACTS_SIZE, LEVELS, OBS_SIZE

# --- head: one int64 row with what an episode is and how far it is --------------------------------
(
    SEED,
    SCENARIO,
    EPISODE,
    OPENING,
    PLAYED,  # market time up to which the exchange has been played
    NEXT_FLOW,  # market time of the flow's next event
    STARTED,  # arrival: the parent's start
    ENDS,  # its end as the gate has it
    SIGN_,  # +1 buying, -1 selling
    GATE_QTY,  # as amended
    GATE_CUM,  # done at the exchange
    GATE_NOTIONAL,  # sum of shares x price, 1e-4
    GATE_LIMIT,  # 0 = none
    GATE_STATUS,
    CAP_BP,  # NO_CAP = none
    POSITION,  # at the start, signed
    LAST_E4,  # the last trade
    ENGINE_IDS,  # own orders entered so far
    CHAIN_IDS,
    CHAINS_LIVE,  # rows of the chain table in use
    ON_ROAD,
    LAST_ARRIVAL,  # of a message at the exchange: a session does not overtake itself
    MESSAGES,  # new and replace that passed the gate
    ROAD_MADE,  # messages ever sent, for the draws of latency
    REPORTS_WAITING,
    LAST_REPORT,
    REPORTS_MADE,
    EVENTS_MADE,  # rows of the event buffer that hold something ...
    EVENTS_FED,  # ... and how many of them the trader has seen
    TOUCH_BID,  # after the last public event
    TOUCH_ASK,
    # the trader's view of its parent
    T_STATUS,
    T_CUM,  # done as far as gate and trader know
    T_LAST_DECISION,
    T_EVENT,  # a fill or an end was heard of since
    T_TOUCHED,  # the touch moved since
    T_PARENT_NEWS,  # the gate has yet to tell how the parent stands
    T_TOUCH_BID,  # at the last decision
    T_TOUCH_ASK,
    T_MARKET_BID,  # after the last feed batch
    T_MARKET_ASK,
    T_LEVELS_FRESH,
    T_WAIT,
    T_REFUSALS,
    T_RISK_QTY,
    T_SENT,  # messages since the last headroom
    T_HEADROOM_NS,
    T_RATE_MAX,
    T_OWN_VOLUME,
    T_LAST_FILL,
    T_OWN_ROWS,
    # what is counted
    DECISIONS,
    VETOES,
    FILLS,
    FILLS_KEPT,
    EDGE2,  # own fills better than the mid before them, twice, shares x 1e-4
    PASSIVE_CUM,
    OWN_OVERFLOW,
    ENGINE_REFUSALS,  # rejects of the exchange
    DROPPED,  # anything that found no room; must stay 0
    MID2_END,
    CHANGES_DONE,  # amendments and pauses carried out
    VALUE2,  # twice the parent's value at the last decision, shares x 1e-4
    MID2,  # bid + ask when both sides last stood
    RUN,  # episodes finished by this environment
    NOW_NS,  # the trader's stamp
    T_MESSAGES,  # new and replace that the trader asked for
    FIRST_QTY,  # as it was first asked for: what costs are a share of
    CHANGE_AT,  # when a person changes the parent, 0 = nobody does
    CHANGE_KIND,
    CHANGE_VALUE,  # shares, a price, or an instant; of a pause: when it ends
    LOGGED,  # rows of the log, where one is kept
    TAPED,  # events of the tape, where one is kept
    FETCHED,  # what reading the book through gave: nobody's business
) = range(74)
HEAD: Final = 80
SENT_RING: Final = 32  # instants of the last messages; R20 bounds them to fewer in a second
SENT_GATE: Final = HEAD  # ... that the gate let pass
SENT_TRADER: Final = HEAD + SENT_RING  # ... that the trader asked for
HEAD_SIZE: Final = HEAD + 2 * SENT_RING

# --- a chain: what the exchange has done of it, and what gate and trader know of it ---------------
(
    K_ID,
    K_ENGINE,  # its id in the book, 0 before it arrived
    K_CROSSING,
    K_LIVE,  # at the exchange: it can still trade
    K_CUM,  # ... filled there
    K_STANDS,  # ... its price
    K_PX,  # known from here on
    K_QTY,
    K_DONE,
    K_STATUS,
    K_PQTY,
    K_PPX,
) = range(12)
CHAIN_WIDTH: Final = 16
CHAINS_MAX: Final = 24  # six that rest, and crossing ones whose end is still on its way
PENDING_NEW, NEW, PARTIAL, PENDING_CANCEL, PENDING_REPLACE, FILLED, CANCELED, REJECTED = range(8)
ENDED: Final = FILLED  # from here on a chain is over

# --- the parent's status, as ParentStatus has it --------------------------------------------------
P_PENDING, P_WORKING, P_PAUSED, P_FILLED, P_EXPIRED = range(5)

# --- what a person does to a parent -----------------------------------------------------------------
AMEND_QTY, AMEND_LIMIT, AMEND_END, PAUSE, RESUME = range(1, 6)

# --- the log: kind, stamp, and what it says, in the order in which the trader took it --------------------
LOG_FEED, LOG_ORDER, LOG_PARENT, LOG_HEADROOM, LOG_TIMER, LOG_DECISION, LOG_MOVE, LOG_REFUSED = range(1, 9)
LOG_WIDTH: Final = 10

# --- a message on the road ------------------------------------------------------------------------
ROAD_AT, ROAD_KIND, ROAD_CHAIN, ROAD_QTY, ROAD_PX = range(5)
ROAD_WIDTH: Final = 8
ROAD_MAX: Final = 64  # a decision makes at most eight, and four of them fit in a second
GO_NEW, GO_CANCEL, GO_REPLACE = 1, 2, 3

# --- a report of the exchange on its way back -----------------------------------------------------
R_AT, R_EARLY, R_KIND, R_CHAIN, R_QTY, R_PX, R_TS = range(7)  # R_EARLY: heard before the feed shows R_AT
REPORT_WIDTH: Final = 8
REPORTS_MAX: Final = 256  # waiting at once: the fills of a sweep through a book, and four decisions' answers
R_ACK, R_FILL, R_OUT, R_REPLACED, R_STANDS, R_REFUSED = range(1, 7)  # R_STANDS: a replace came too late

# --- a fill ---------------------------------------------------------------------------------------
F_TS, F_QTY, F_PX, F_MID2, F_PASSIVE = range(5)
FILL_WIDTH: Final = 5

# --- limits, as the gate's file has them: int64 ---------------------------------------------------
L_QTY_MAX, L_ADV_BP, L_NOTIONAL_MAX, L_COLLAR_BP, L_LONG_MAX, L_SHORT_MAX, L_ORDERS_MAX, L_RATE = range(8)

# --- a scenario: float64; the first numbers are how long messages take ----------------------------
(
    G_ORDER_NS,  # median of decision to exchange, feed latency included
    G_ORDER_SIGMA,
    G_REPORT_NS,  # median of exchange to trader beyond the feed's
    G_REPORT_SIGMA,
    G_EARLY,  # chance that a report comes before the feed shows its event
    G_SIDE,  # +1, -1, 0 = drawn
    G_SECONDS_MIN,
    G_SECONDS_MAX,
    G_SHARE_MIN,  # parent as a share of the volume that its window would see without it
    G_SHARE_MAX,
    G_RATE,  # shares a second, measured on the openings
    G_LIMIT_CHANCE,
    G_LIMIT_BPS_MIN,  # of the limit beyond the arrival mid
    G_LIMIT_BPS_MAX,
    G_CAP_CHANCE,
    G_CAP_MIN,  # participation cap as a multiple of the share
    G_CAP_MAX,
    G_MUST_CHANCE,
    G_AMEND_CHANCE,
    G_PAUSE_CHANCE,
    G_TICK,
    G_LOT,
    G_ROUND_LOT,
    G_ADV,
    G_OPEN_NS,
    G_CLOSE_NS,
    G_FLOW,  # FLOW_ZERO or FLOW_REACTIVE
) = range(27)
SCENARIO_SIZE: Final = 32
FLOW_ZERO, FLOW_REACTIVE = 0, 1
# streams of draws, above those of every flow
S_ROAD, S_REPORT, S_PARENT, S_EPISODE = range(1_000, 1_004)

# --- money of a step: float64 facts that rewards are made of (bps of the parent's arrival value) --
(
    GAIN,  # fall of the shortfall, the rest marked at the mid: sums to -shortfall
    EDGE,  # own fills better than the mid before them
    ADVERSE,  # movement of the mid by own orders that took, times what they took
    LEFT,  # share of the parent not done, at the step's start
    VARIANCE,  # of the mid, bps squared a second
    SECONDS_PAST,
    CONTROL_MOVE,  # move of the exogenous price towards costing more, bps, times the TWAP's remainder
    FILLED_SHARE,
    PASSIVE_SHARE,
    VETOED,
    FAIR_MOVE,  # rise of what the rest is worth less at the exogenous price than at the mid
) = range(11)
MONEY_NOW: Final = 11  # so many are of the step
CONTROL: Final = 11  # the exogenous price at the last decision, 1e-4
FAIR: Final = 12  # what the rest was worth less at that price than at the mid, at the last decision
MONEY_SIZE: Final = 14

INTERVAL, GAP, STOPS = range(3)  # pace: int64
W_KIND, W_COMPLETES = range(2)  # schedule: int64, and its parameters, float64 ...
WIDTH: Final = 3  # ... of which the fourth is the corridor's half width
STOP_ON_TOUCH, STOP_ON_FILL = 1, 2  # what brings about a decision before the timer does
# --- what is written of an episode that ended: float64 --------------------------------------------
(
    E_SEED,  # as two halves: a float64 holds 53 bits
    E_SEED_LOW,
    E_SCENARIO,
    E_OPENING,
    E_SIDE,
    E_QTY,
    E_FILLED,
    E_COST,  # shortfall, bps
    E_PASSIVE,  # share of what was filled
    E_DECISIONS,
    E_VETOES,
    E_FILLS,
    E_MESSAGES,
    E_ARRIVAL,  # mid, 1e-4
    E_END,  # mid at the end, 1e-4
    E_SECONDS,
    E_CAPPED,
    E_LIMITED,
    E_MUST,
    E_DROPPED,
    E_STARTED,
    E_EDGE,  # own fills better than the mid before them, bps of the parent
    E_REJECTS,
    E_HELD_BACK,  # what the flow could not do
    E_FIRST,  # quantity as it was first asked for: costs are shares of its value
    E_CHANGES,
) = range(26)
EPISODE_SIZE: Final = 26
OWN_ROWS: Final = 16  # of StateBuilder's table: what is displayed at once
WARM_SECONDS: Final = 512  # cumulative volume by second is asked for at the start alone
OUT_SPARE: Final = 256  # outcomes that one call of the flow may leave before it is asked again


class World(NamedTuple):
    """Memory of all environments; row i of every table is environment i."""

    book: Any
    flow: Any
    reals: Any
    ints: Any
    floats: Any
    own: Any
    own_ids: Any
    head: Any
    desk: Any
    chains: Any
    road: Any
    reports: Any
    fills: Any
    events: Any
    levels: Any
    obs: Any
    last: Any  # what an episode that ended saw last; its row of `obs` is the next one's first
    mask: Any
    money: Any
    done: Any
    ended: Any
    log: Any
    tape: Any


class Openings(NamedTuple):
    """Markets to begin in, by scenario and number, read only."""

    book: Any
    flow: Any
    reals: Any
    ints: Any
    floats: Any
    counts: Any  # int64[scenarios]
    scenarios: Any  # float64[scenarios, SCENARIO_SIZE]
    tables: Any  # float64[scenarios, ...] of reactive flows


class Terms(NamedTuple):
    """What holds for all environments of one vector, read only."""

    pace: Any
    schedule: Any
    params: Any
    curve: Any
    limits: Any


class Draws(NamedTuple):
    """Which episode comes next: of a table, a row an environment, or drawn without end."""

    seeds: Any  # int64[envs, n]: played in turn, again from the first after the last; n = 0: drawn
    numbers: Any  # int64[envs, n]: the scenario of each
    base: Any  # int64[1]: the seed of what is drawn


class Scratch(NamedTuple):
    """What a thread works on besides; holds nothing between two calls."""

    out: Any
    command: Any
    events: Any
    table: Any
    moves: Any
    raw: Any
    facts: Any


def new_world(
    envs: int,
    orders_max: int,
    levels_max: int,
    flow_words: int,
    real_words: int,
    fills_max: int,
    log_max: int = 0,
) -> World:
    """Return zeroed memory; `log_max` > 0 keeps what was delivered, for tests that compare."""
    events = np.zeros((envs, orders_max + 3 * OUT_SPARE), dtype=MARKET_EVENT)
    events["locate"] = 1
    return World(
        book=np.zeros((envs, len(new_arena(orders_max, levels_max))), dtype=np.int64),
        flow=np.zeros((envs, flow_words), dtype=np.int64),
        reals=np.zeros((envs, real_words), dtype=np.float64),
        ints=np.zeros((envs, k.SECONDS + WARM_SECONDS), dtype=np.int64),
        floats=np.zeros((envs, k.FLOATS_SIZE), dtype=np.float64),
        own=np.zeros((envs, OWN_ROWS, k.OWN_COLUMNS), dtype=np.int64),
        own_ids=np.zeros((envs, OWN_ROWS), dtype=np.int64),
        head=np.zeros((envs, HEAD_SIZE), dtype=np.int64),
        desk=np.zeros((envs, DESK_SIZE), dtype=np.int64),
        chains=np.zeros((envs, CHAINS_MAX, CHAIN_WIDTH), dtype=np.int64),
        road=np.zeros((envs, ROAD_MAX, ROAD_WIDTH), dtype=np.int64),
        reports=np.zeros((envs, REPORTS_MAX, REPORT_WIDTH), dtype=np.int64),
        fills=np.zeros((envs, fills_max, FILL_WIDTH), dtype=np.int64),
        events=events,
        levels=np.zeros((envs, 4, LEVELS), dtype=np.int64),
        obs=np.zeros((envs, OBS_SIZE), dtype=np.float32),
        last=np.zeros((envs, OBS_SIZE), dtype=np.float32),
        mask=np.zeros((envs, 13), dtype=np.bool_),
        money=np.zeros((envs, MONEY_SIZE), dtype=np.float64),
        done=np.zeros(envs, dtype=np.bool_),
        ended=np.zeros((envs, EPISODE_SIZE), dtype=np.float64),
        log=np.zeros((envs, log_max, LOG_WIDTH), dtype=np.int64),
        tape=np.zeros((envs, log_max), dtype=MARKET_EVENT),
    )


def new_scratch(orders_max: int) -> Scratch:
    """Return what one thread needs."""
    from market.matching_events import COMMAND, OUTCOME

    events = np.zeros(orders_max + 3 * OUT_SPARE, dtype=MARKET_EVENT)
    events["locate"] = 1  # one symbol
    return Scratch(
        out=np.zeros(orders_max + 2 * OUT_SPARE, dtype=OUTCOME),
        command=np.zeros(1, dtype=COMMAND),
        events=events,
        table=np.zeros((CHAINS_MAX, CHAIN_COLUMNS), dtype=np.int64),
        moves=np.zeros((CHAINS_MAX + MOVES_BEYOND, MOVE_COLUMNS), dtype=np.int64),
        raw=np.zeros((4, LEVELS_SEEN), dtype=np.int64),
        facts=np.zeros(FACTS_SIZE, dtype=np.int64),
    )
